package plugintest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// copyOptions copies the options that from points to.
func copyOptions(to, from any) { reflect.ValueOf(to).Elem().Set(reflect.ValueOf(from).Elem()) }

// apply calls Apply as the router does, and checks the event and the emitted events for changes, also at
// the end of the rule.
func apply(c *check, i *instance[plugin.Transform], e *event.Event) (out []*event.Event, err error) {
	e = withSpareCapacity(e)
	was := snapshotOf(e)
	unchanged := func(when string) {
		if text := was.diff(); text != "" {
			c.addFinding(ruleEventUnchanged, "%s%s (event.Event.WithData makes a copy)", when, text)
		}
	}
	r := &emits{c: c, method: "Apply", ends: ruleEmitEnds}
	err = c.call(c.ctx, "Apply", func(ctx context.Context) error { return i.impl.Apply(ctx, e, r.emit) })
	out, err = r.end(err, ruleEmitted, func() { unchanged("after Apply has returned, ") })
	unchanged("")
	return out, err
}

// checkCases applies each case to two new instances, one after the other.
func (h TransformHarness) checkCases(c *check) {
	if len(h.Cases) == 0 {
		c.Skip("the harness has no Cases")
	}
	for _, tc := range h.Cases {
		for n := range 2 {
			i, err := configure(c, h.Type, tc.Options)
			if err != nil {
				c.Errorf("case %s: %v", tc.Name, err)
				break
			}
			if text := h.runCase(c, i, tc); text != "" {
				if n == 1 {
					c.addFinding(ruleInstances, "case %s: the second instance differs: %s", tc.Name, text)
				} else {
					c.Errorf("case %s: %s", tc.Name, text)
				}
				break
			}
		}
	}
	time.Sleep(emitGrace) // a goroutine that Apply has started gives no signal
}

// runCase applies a case. It returns how the result differs from the expected one; "" if it does not.
func (h TransformHarness) runCase(c *check, i *instance[plugin.Transform], tc TransformCase) string {
	before := NewEvent(tc.In)
	out, err := apply(c, i, NewEvent(tc.In))
	if (err != nil) != (tc.Error != "") || err != nil && !strings.Contains(err.Error(), tc.Error) {
		return fmt.Sprintf("the error is %v, want %q", err, tc.Error)
	}
	if got := payloads(out); !slices.Equal(got, tc.Out) {
		return fmt.Sprintf("the emitted payloads are %q, want %q", got, tc.Out)
	}
	for k, e := range out {
		if tc.Check != nil {
			c.callHook(func() { tc.Check(c, k, e) })
		} else if !sameMetadata(e, before) {
			return fmt.Sprintf("fields other than the payload have changed: %+v", e)
		}
	}
	return ""
}

func sameMetadata(a, b *event.Event) bool {
	return a.ID == b.ID && a.Source == b.Source && a.Channel == b.Channel && a.Key == b.Key && a.Time.Equal(b.Time) && slices.Equal(a.Attrs, b.Attrs)
}

// checkReuse applies all cases with the same options to one instance, twice and once in reverse order.
func (h TransformHarness) checkReuse(c *check) {
	if h.Stateful {
		c.Skip("the transform is stateful")
	}
	by := map[string][]TransformCase{}
	var order []string
	for _, tc := range h.Cases {
		if by[tc.Options] == nil {
			order = append(order, tc.Options)
		}
		by[tc.Options] = append(by[tc.Options], tc)
	}
	for _, text := range order {
		i, err := configure(c, h.Type, text)
		if err != nil {
			continue // another rule finds it
		}
		all := append(slices.Clone(by[text]), by[text]...)
		for _, tc := range slices.Backward(by[text]) {
			all = append(all, tc)
		}
		for _, tc := range all {
			if text := h.runCase(c, i, tc); text != "" {
				c.Errorf("case %s, on a reused instance: %s", tc.Name, text)
				return
			}
		}
	}
}

// checkAnyEvent applies each unusual event.
func (h TransformHarness) checkAnyEvent(c *check) {
	for _, tc := range h.distinctOptions() {
		i, err := configure(c, h.Type, tc.Options)
		if err != nil {
			continue
		}
		for what, e := range unusualEvents() {
			_, err := apply(c, i, e)
			if plugin.IsUnavailable(err) && len(h.servers(tc)) == 0 {
				c.Errorf("Apply returns plugin.Unavailable for an event with %s, without a server: %v", what, err)
			}
		}
	}
}

// distinctOptions returns one case for each of the options, at most 8.
func (h TransformHarness) distinctOptions() (out []TransformCase) {
	for _, tc := range h.Cases {
		if !slices.ContainsFunc(out, func(o TransformCase) bool { return o.Options == tc.Options }) && len(out) < 8 {
			out = append(out, tc)
		}
	}
	return out
}

func (h TransformHarness) servers(tc TransformCase) []string {
	opts := h.Type.Defaults()
	h.setOptions(opts, tc)
	return addresses(opts, nil)
}

// checkContext applies with a context that has ended, and with one that ends while a server does not
// answer.
func (h TransformHarness) checkContext(c *check) {
	for _, tc := range h.distinctOptions() {
		i, err := configure(c, h.Type, tc.Options)
		if err != nil {
			continue
		}
		emitted := 0
		err = c.await("Apply", c.begin("Apply", func() error {
			return i.impl.Apply(endedContext(), NewEvent(tc.In), func(*event.Event) { emitted++ })
		}))
		if err == nil && tc.Error == "" && emitted != len(tc.Out) {
			c.addFinding(ruleCases, "case %s, with a context that has ended: Apply emits %d events, and returns no error", tc.Name, emitted)
		}
		silent := newProxy(c, "")
		opts := h.Type.Defaults()
		h.setOptions(opts, tc)
		if len(addresses(opts, func(string) string { return silent.addr })) == 0 {
			continue
		}
		if i, err = tryBuild(c, h.Type, Name, opts); err != nil {
			continue
		}
		_ = c.callUntilArrival(silent, "Apply", func(ctx context.Context) error {
			return i.impl.Apply(ctx, NewEvent(tc.In), func(*event.Event) {})
		})
		return
	}
}

// checkUnavailable applies while the server is unavailable.
func (h TransformHarness) checkUnavailable(c *check) {
	if !h.hasServer() {
		c.Skip("the options have no address of this machine")
	}
	opts := h.Type.Defaults()
	h.setFirstOptions(opts)
	addresses(opts, func(string) string { return "127.0.0.1:1" })
	i := build(c, h.Type, opts)
	checkLog := i.logCheck()
	for range 2 {
		_, err := apply(c, i, NewEvent(h.firstCase().In))
		checkLog("Apply", err)
		if err == nil {
			c.Skip("the transform does not need its server")
		}
		if !plugin.IsUnavailable(err) && err != errPanicked {
			c.Errorf("Apply returns an error without plugin.Unavailable, so that the router parks the event: %v", err)
		}
	}
}
