package plugintest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// applyBatch calls ApplyBatch as the router does, and looks on: what is emitted is compared when the rule
// ends.
func applyBatch(c *check, i *instance[plugin.BatchTransform], w plugin.Window) (out []*event.Event, err error) {
	was := make([]copied, len(w.Events))
	for k, e := range w.Events {
		was[k] = copyOf(roomy(e))
	}
	unchanged := func(when string) {
		for k, one := range was {
			if text := one.changed(); text != "" {
				c.breaks(ruleBatchKeeps, "%sof the event %d of a window %s (event.Event.With makes a copy)", when, k, text)
			}
		}
	}
	var mu sync.Mutex
	over, hasNil := false, false
	emit := func(e *event.Event) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case over:
			c.breaks(ruleBatchEnds, "emit is called when ApplyBatch has returned: the event is lost")
		case e == nil:
			hasNil = true
			c.breaks(ruleBatchEnds, "it emits nil as an event")
		default:
			out = append(out, e)
		}
	}
	err = c.call(c.ctx, "ApplyBatch", func(ctx context.Context) error { return i.impl.ApplyBatch(ctx, w, emit) })
	mu.Lock()
	defer mu.Unlock()
	over = true
	unchanged("")
	copies := copiesOf(out)
	c.Cleanup(func() {
		for _, one := range copies {
			if text := one.changed(); text != "" {
				c.breaks(ruleBatchEmitted, "of an event that was emitted %s: is its buffer used again?", text)
			}
		}
		unchanged("when ApplyBatch has returned, ")
	})
	if err != nil {
		return nil, err
	}
	if hasNil {
		return nil, errNil
	}
	return out, nil
}

// cases applies each case to two new instances, one after the other.
func (h BatchHarness) cases(c *check) {
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
			text := h.holds(c, i, tc)
			if text != "" && n == 1 {
				c.breaks(ruleInstances, "case %s: a second instance makes something else of it: %s", tc.Name, text)
			} else if text != "" {
				c.Errorf("case %s: %s", tc.Name, text)
				break
			}
		}
	}
	time.Sleep(late) // a goroutine that ApplyBatch has started gives no signal
}

// holds applies a case; it returns what is not as it says.
func (h BatchHarness) holds(c *check, i *instance[plugin.BatchTransform], tc BatchCase) string {
	out, err := applyBatch(c, i, tc.window())
	if (err != nil) != (tc.Error != "") || err != nil && !strings.Contains(err.Error(), tc.Error) {
		return fmt.Sprintf("the error is %v, want %q", err, tc.Error)
	}
	if got := payloads(out); !slices.Equal(got, tc.Out) {
		return fmt.Sprintf("it becomes %q, want %q", got, tc.Out)
	}
	for k, e := range out {
		if tc.Check != nil {
			c.hook(func() { tc.Check(c, k, e) })
		}
	}
	return ""
}

// again applies all cases to one instance for each of the options, and that several times.
func (h BatchHarness) again(c *check) {
	if h.Stateful {
		c.Skip("the transform is stateful")
	}
	for _, of := range h.different() {
		i, err := configure(c, h.typ(), of.Options)
		if err != nil {
			continue // another rule says so
		}
		for range 3 {
			for _, tc := range h.Cases {
				if tc.Options != of.Options {
					continue
				}
				if text := h.holds(c, i, tc); text != "" {
					c.Errorf("case %s, on an instance that was used before: %s", tc.Name, text)
					return
				}
			}
		}
	}
}

// any applies windows with odd events, and one with all of them.
func (h BatchHarness) any(c *check) {
	for _, tc := range h.different() {
		i, err := configure(c, h.typ(), tc.Options)
		if err != nil {
			continue
		}
		all := plugin.Window{}
		for what, e := range anyEvents() {
			all.Events = append(all.Events, e)
			_, err := applyBatch(c, i, plugin.Window{Events: []*event.Event{e}})
			if plugin.IsUnavailable(err) && !h.hasServer() {
				c.Errorf("a window with %s is said to be a server's fault (plugin.Unavailable): %v", what, err)
			}
		}
		_, _ = applyBatch(c, i, all)
	}
}

// different returns a case of each of the options, the first few.
func (h BatchHarness) different() (out []BatchCase) {
	for _, tc := range h.Cases {
		if !slices.ContainsFunc(out, func(o BatchCase) bool { return o.Options == tc.Options }) && len(out) < 8 {
			out = append(out, tc)
		}
	}
	return out
}

// ends applies with a context that has ended, and ends one while a server does not answer.
func (h BatchHarness) ends(c *check) {
	for _, tc := range h.different() {
		i, err := configure(c, h.typ(), tc.Options)
		if err != nil {
			continue
		}
		emitted := 0
		err = c.await("ApplyBatch", c.begin("ApplyBatch", func() error {
			return i.impl.ApplyBatch(ended(), tc.window(), func(*event.Event) { emitted++ })
		}))
		if err == nil && tc.Error == "" && emitted != len(tc.Out) {
			c.breaks(ruleBatchCases, "case %s, with a context that has ended: it emits %d events, and returns no error", tc.Name, emitted)
		}
	}
	if !h.hasServer() {
		return
	}
	silent, opts := newRelay(c, ""), h.Type.Defaults()
	h.first(opts)
	addresses(opts, func(string) string { return silent.addr })
	if i, err := tryBuild(c, h.typ(), Name, opts); err == nil {
		_ = c.until(silent, "ApplyBatch", func(ctx context.Context) error {
			return i.impl.ApplyBatch(ctx, h.firstCase().window(), func(*event.Event) {})
		})
	}
}

// away applies where the server is away.
func (h BatchHarness) away(c *check) {
	if !h.hasServer() {
		c.Skip("the options have no address of this machine")
	}
	opts := h.Type.Defaults()
	h.first(opts)
	addresses(opts, func(string) string { return "127.0.0.1:1" })
	i := build(c, h.typ(), opts)
	told := i.quietSince()
	for range 2 {
		_, err := applyBatch(c, i, h.firstCase().window())
		told("ApplyBatch", err)
		if err == nil {
			c.Skip("it does without its server")
		}
		if !plugin.IsUnavailable(err) && err != errPanicked {
			c.Errorf("ApplyBatch returns an error without plugin.Unavailable, so that the events are parked: %v", err)
		}
	}
}
