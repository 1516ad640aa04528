package router

import (
	"context"

	"eventgateway/gateway/event"
)

// choose returns the events that the route takes, and notes them in taken. One for
// which the condition cannot be evaluated is parked: the route has it.
func (r *route) choose(ctx context.Context, events []*event.Event, taken []bool, rec *receipt, c *RouteCounts) []*event.Event {
	if !r.spec.Else && r.spec.When.IsZero() { // it takes all
		for i := range taken {
			taken[i] = true
		}
		return events
	}
	out := r.scratch[1][:0]
	for i, e := range events {
		if r.spec.Else && taken[i] {
			c.Filtered++
			continue
		}
		if !r.spec.When.IsZero() {
			ok, err := r.eval.True(r.spec.When, e)
			err = r.spec.Redactor.Error(err)
			switch {
			case err != nil:
				r.park(ctx, item{ev: e, receipt: rec}, letter{component: "route " + r.spec.Name + ", when", err: err, attempts: 1}, c)
			case !ok:
				c.Filtered++
			}
			if taken != nil && !r.spec.Else && (ok || err != nil) {
				taken[i] = true
			}
			if !ok || err != nil {
				continue
			}
		}
		out = append(out, e)
	}
	r.scratch[1] = out
	return out
}
