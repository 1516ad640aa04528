package plugintest

import (
	"slices"
	"time"

	"eventgateway/gateway/plugin"
)

// checkRunFails runs a source while its server is unavailable.
func (h SourceHarness) checkRunFails(c *check) {
	if h.Unreachable == nil {
		c.Skip("the harness has no Unreachable")
	}
	t := h.newRunner(c, optionsOf(c, h.Type, h.Unreachable))
	checkLog := t.i.logCheck()
	for range 2 {
		t.start()
		if !t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return s.returned }) {
			c.timedOut()
			c.Errorf("Run does not return while the server is unavailable: return the error, and the router calls Run again")
			t.stop()
			return
		}
		switch err := <-t.done; {
		case err == nil:
			c.Errorf("Run returns nil while the server is unavailable")
		case err != errPanicked && (plugin.IsPermanent(err) || plugin.IsDisabling(err)):
			c.Errorf("Run returns plugin.Permanent or plugin.Disabling while the server is unavailable: %v", err)
		default:
			checkLog("Run", err)
		}
		if t.out.state().ready > 0 {
			c.Errorf("Run calls Ready while the server is unavailable")
		}
	}
}

// checkFirstGap checks that the first Run reports no gap, because the router knows that the source begins.
func (h SourceHarness) checkFirstGap(c *check) {
	if h.Type.Has(plugin.Replays) {
		c.Skip("a source with the capability Replays may report a gap before its cursor")
	}
	t := h.newRunner(c, optionsOf(c, h.Type, h.Reachable))
	t.startAndAwaitReady()
	t.trackSend(h.send(c, c, h.payload(c, 0)))
	t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return len(s.emitted) > 0 || s.returned })
	t.stop()
	if gaps := t.out.state().gaps; len(gaps) > 0 {
		c.Errorf("the first Run reports a gap, although no event was missed: %s", gaps[0])
	}
}

// checkReconnect cuts the connection, and sends until the source emits an event again.
func (h SourceHarness) checkReconnect(c *check) {
	opts := optionsOf(c, h.Type, h.Reachable)
	cut := func() { c.callHook(func() { h.Disconnect(c) }) }
	if h.Disconnect == nil {
		var relays []*proxy
		addresses(opts, func(addr string) string {
			relays = append(relays, newProxy(c, addr))
			return relays[len(relays)-1].addr
		})
		if len(relays) == 0 || h.Send == nil {
			c.Skip("the harness has no Disconnect, and the options have no address of this machine")
		}
		cut = func() {
			for _, r := range relays {
				r.cut()
			}
		}
	}
	t := h.newRunner(c, opts)
	t.startAndAwaitReady()
	sent := h.send(c, c, h.payload(c, 0))
	<-sent
	t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return len(s.emitted) > 0 || s.returned })
	cut()
	if h.Disconnect != nil && !t.out.await(c.suite.timeout(2*c.suite.arrivalTimeout), func(s state) bool { return s.returned }) {
		c.timedOut()
		c.Fatalf("Run does not return after its connection was cut")
	}
	lost := false
	restart := func() {
		err := <-t.done
		if err == nil {
			c.Errorf("Run returns nil after its connection was cut: return the error")
		}
		lost = true
		t.startAndAwaitReady()
	}
	for n := 1; n <= 20; n++ {
		if t.out.state().returned {
			restart()
		}
		want, before := h.payload(c, n), len(t.out.state().emitted)
		arrived := func(s state) bool {
			if h.Send == nil {
				return len(s.emitted) > before
			}
			return slices.ContainsFunc(s.emitted, func(e emittedEvent) bool { return string(e.event.Data) == want })
		}
		h.send(c, ignoreFailures{c}, want)
		t.out.await(time.Second, func(s state) bool { return s.returned || arrived(s) })
		if s := t.out.state(); !s.returned && arrived(s) {
			first := slices.ContainsFunc(s.emitted, func(e emittedEvent) bool { return string(e.event.Data) == h.payload(c, 1) })
			if h.Send != nil && !lost && !first && len(s.gaps) == 0 && !h.Type.Has(plugin.Replays) {
				c.Errorf("an event was lost after the connection was cut, and Run neither returned an error nor reported a gap")
			}
			t.stop()
			return
		}
	}
	c.timedOut()
	c.Errorf("the source emits no event after its connection was cut")
	t.stop()
}
