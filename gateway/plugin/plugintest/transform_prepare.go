package plugintest

import (
	"context"
	"fmt"
	"slices"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

const rulePrepare = "a Preparer emits the same after Prepare as without it"

// checkPrepare applies the payloads of all cases with the same options as one batch: to one instance without Prepare, and to another one
// that was prepared for other events before, as for a batch that was returned to the source.
func (h TransformHarness) checkPrepare(c *check) {
	checked := false
	for _, tc := range h.distinctOptions() {
		plain, err := configure(c, h.Type, tc.Options)
		if err != nil {
			continue // another rule finds it
		}
		if _, ok := plain.impl.(plugin.Preparer); !ok {
			break
		}
		prepared, err := configure(c, h.Type, tc.Options)
		if err != nil {
			continue
		}
		checked = true
		var payloads []string
		for _, other := range h.Cases {
			if other.Options == tc.Options {
				payloads = append(payloads, other.In, other.In)
			}
		}
		want := applyPrepared(c, plain.impl, payloads, false)
		for n, got := range applyPrepared(c, prepared.impl, payloads, true) {
			if got != want[n] {
				c.Errorf("the event %d of a batch, with the payload %.100q: %s after Prepare, and %s without it", n, payloads[n], got, want[n])
				return
			}
		}
	}
	if !checked {
		c.Skip("the transform is no plugin.Preparer")
	}
}

// applyPrepared applies the events of a batch, after Prepare if prepare is set. It returns the result of each event as text.
func applyPrepared(c *check, tr plugin.Transform, payloads []string, prepare bool) (results []string) {
	var events, earlier []*event.Event
	var before []snapshot
	for _, payload := range payloads {
		events = append(events, withSpareCapacity(NewEvent(payload)))
		before = append(before, snapshotOf(events[len(events)-1]))
	}
	for _, payload := range slices.Backward(payloads) {
		earlier = append(earlier, NewEvent(payload))
	}
	if prepare {
		_ = c.call(c.ctx, "Prepare", func(ctx context.Context) error {
			tr.(plugin.Preparer).Prepare(ctx, earlier)
			tr.(plugin.Preparer).Prepare(ctx, events)
			return nil
		})
	}
	for i := range before {
		if text := before[i].diff(); text != "" {
			c.addFinding(ruleEventUnchanged, "after Prepare, %s", text)
		}
	}
	for _, e := range events {
		out := []string{}
		err := c.call(c.ctx, "Apply", func(ctx context.Context) error {
			return tr.Apply(ctx, e, func(made *event.Event) { out = append(out, string(made.Data)) })
		})
		if err != nil {
			results = append(results, "it fails")
		} else {
			results = append(results, fmt.Sprintf("it emits %.200q", out))
		}
	}
	return results
}
