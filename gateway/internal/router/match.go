package router

import (
	"context"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/stats"
)

// match returns the events that the route takes, and sets taken for them. An event for
// which the condition cannot be evaluated is parked, and counts as taken.
func (r *route) match(ctx context.Context, events []*event.Event, taken []bool, rec *ack.Receipt, c *stats.RouteCounts, look *look) []*event.Event {
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
			look.refused(i, "another route takes it", nil, c.DeadLettered)
			continue
		}
		if !r.spec.When.IsZero() {
			ok, err := r.eval.True(r.spec.When, e)
			err = r.spec.Redactor.Error(err)
			switch {
			case err != nil:
				f := deadletter.Failure{Component: "route " + r.spec.Name + ", when", Err: err, Attempts: 1}
				r.park(ctx, queue.Item{Event: e, Receipt: rec}, f, c)
			case !ok:
				c.Filtered++
			}
			if taken != nil && !r.spec.Else && (ok || err != nil) {
				taken[i] = true
			}
			if !ok || err != nil {
				look.refused(i, "it does not match when", err, c.DeadLettered)
				continue
			}
		}
		out = append(out, e)
		look.takes(i)
	}
	r.scratch[1] = out
	look.advance()
	return out
}
