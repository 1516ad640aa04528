package plugintest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// applyBatch calls ApplyBatch as the router does, and checks the window and the emitted events for
// changes, also at the end of the rule.
func applyBatch(c *check, i *instance[plugin.BatchTransform], w plugin.Window) (out []*event.Event, err error) {
	was := make([]snapshot, len(w.Events))
	for k, e := range w.Events {
		was[k] = snapshotOf(withSpareCapacity(e))
	}
	unchanged := func(when string) {
		for k, one := range was {
			if text := one.diff(); text != "" {
				c.addFinding(ruleBatchUnchanged, "%sof the event %d of a window %s (event.Event.WithData makes a copy)", when, k, text)
			}
		}
	}
	r := &emits{c: c, method: "ApplyBatch", ends: ruleBatchEnds}
	err = c.call(c.ctx, "ApplyBatch", func(ctx context.Context) error { return i.impl.ApplyBatch(ctx, w, r.emit) })
	out, err = r.end(err, ruleBatchEmitted, func() { unchanged("after ApplyBatch has returned, ") })
	unchanged("")
	return out, err
}

// checkCases applies each case to two new instances, one after the other.
func (h BatchHarness) checkCases(c *check) {
	if len(h.Cases) == 0 {
		c.Skip("the harness has no Cases")
	}
	for _, tc := range h.Cases {
		for n := range 2 {
			i, err := configure(c, h.typ(), tc.Options)
			if err != nil {
				c.Errorf("case %s: %v", tc.Name, err)
				break
			}
			text := h.runCase(c, i, tc)
			if text != "" && n == 1 {
				c.addFinding(ruleInstances, "case %s: the second instance differs: %s", tc.Name, text)
			} else if text != "" {
				c.Errorf("case %s: %s", tc.Name, text)
				break
			}
		}
	}
	time.Sleep(emitGrace) // a goroutine that ApplyBatch has started gives no signal
}

// runCase applies a case. It returns how the result differs from the expected one; "" if it does not.
func (h BatchHarness) runCase(c *check, i *instance[plugin.BatchTransform], tc BatchCase) string {
	out, err := applyBatch(c, i, tc.window())
	if (err != nil) != (tc.Error != "") || err != nil && !strings.Contains(err.Error(), tc.Error) {
		return fmt.Sprintf("the error is %v, want %q", err, tc.Error)
	}
	if got := payloads(out); !slices.Equal(got, tc.Out) {
		return fmt.Sprintf("the emitted payloads are %q, want %q", got, tc.Out)
	}
	for k, e := range out {
		if tc.Check != nil {
			c.callHook(func() { tc.Check(c, k, e) })
		}
	}
	return ""
}

// checkReuse applies all cases with the same options to one instance, several times.
func (h BatchHarness) checkReuse(c *check) {
	if h.Stateful {
		c.Skip("the transform is stateful")
	}
	for _, of := range h.distinctOptions() {
		i, err := configure(c, h.typ(), of.Options)
		if err != nil {
			continue // another rule finds it
		}
		for range 3 {
			for _, tc := range h.Cases {
				if tc.Options != of.Options {
					continue
				}
				if text := h.runCase(c, i, tc); text != "" {
					c.Errorf("case %s, on a reused instance: %s", tc.Name, text)
					return
				}
			}
		}
	}
}

// checkAnyWindow applies a window with each unusual event, and a window with all of them.
func (h BatchHarness) checkAnyWindow(c *check) {
	for _, tc := range h.distinctOptions() {
		i, err := configure(c, h.typ(), tc.Options)
		if err != nil {
			continue
		}
		all := plugin.Window{}
		for what, e := range unusualEvents() {
			all.Events = append(all.Events, e)
			_, err := applyBatch(c, i, plugin.Window{Events: []*event.Event{e}})
			if plugin.IsUnavailable(err) && !h.hasServer() {
				c.Errorf("ApplyBatch returns plugin.Unavailable for a window with %s, without a server: %v", what, err)
			}
		}
		_, _ = applyBatch(c, i, all)
	}
}

// distinctOptions returns one case for each of the options, at most 8.
func (h BatchHarness) distinctOptions() (out []BatchCase) {
	for _, tc := range h.Cases {
		if !slices.ContainsFunc(out, func(o BatchCase) bool { return o.Options == tc.Options }) && len(out) < 8 {
			out = append(out, tc)
		}
	}
	return out
}

// checkContext applies with a context that has ended, and with one that ends while a server does not
// answer.
func (h BatchHarness) checkContext(c *check) {
	for _, tc := range h.distinctOptions() {
		i, err := configure(c, h.typ(), tc.Options)
		if err != nil {
			continue
		}
		emitted := 0
		err = c.await("ApplyBatch", c.begin("ApplyBatch", func() error {
			return i.impl.ApplyBatch(endedContext(), tc.window(), func(*event.Event) { emitted++ })
		}))
		if err == nil && tc.Error == "" && emitted != len(tc.Out) {
			c.addFinding(ruleBatchCases, "case %s, with a context that has ended: ApplyBatch emits %d events, and returns no error", tc.Name, emitted)
		}
	}
	if !h.hasServer() {
		return
	}
	silent, opts := newProxy(c, ""), h.Type.Defaults()
	h.setFirstOptions(opts)
	addresses(opts, func(string) string { return silent.addr })
	if i, err := tryBuild(c, h.typ(), Name, opts); err == nil {
		_ = c.callUntilArrival(silent, "ApplyBatch", func(ctx context.Context) error {
			return i.impl.ApplyBatch(ctx, h.firstCase().window(), func(*event.Event) {})
		})
	}
}

// checkUnavailable applies while the server is unavailable.
func (h BatchHarness) checkUnavailable(c *check) {
	if !h.hasServer() {
		c.Skip("the options have no address of this machine")
	}
	opts := h.Type.Defaults()
	h.setFirstOptions(opts)
	addresses(opts, func(string) string { return "127.0.0.1:1" })
	i := build(c, h.typ(), opts)
	checkLog := i.logCheck()
	for range 2 {
		_, err := applyBatch(c, i, h.firstCase().window())
		checkLog("ApplyBatch", err)
		if err == nil {
			c.Skip("the transform does not need its server")
		}
		if !plugin.IsUnavailable(err) && err != errPanicked {
			c.Errorf("ApplyBatch returns an error without plugin.Unavailable, so that the router parks the events: %v", err)
		}
	}
}
