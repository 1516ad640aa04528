package plugintest

import (
	"fmt"
	"slices"
	"time"
)

// checkContext ends the context of Run before Ready, after Ready, and while Emit blocks.
func (h SourceHarness) checkContext(c *check) {
	opts := optionsOf(c, h.Type, h.Reachable)
	t := h.newRunner(c, opts)
	t.start()
	t.stop()
	t.startAndAwaitReady()
	t.stop()
	t.out.update(func() { t.out.blocking = true })
	t.startAndAwaitReady()
	h.send(c, ignoreFailures{c}, h.payload(c, 0))
	if t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return s.blocked || s.returned }) {
		t.stop()
	} else {
		c.timedOut()
		c.addFinding(ruleEmitsOnce, "no event is emitted")
		t.stop()
	}
	_ = t.i.close()
	if h.Unreachable == nil {
		return
	}
	r, opts := newProxy(c, ""), optionsOf(c, h.Type, h.Unreachable)
	if len(addresses(opts, func(string) string { return r.addr })) == 0 {
		return
	}
	t = h.newRunner(c, opts)
	t.start()
	select {
	case <-r.arrived:
		time.Sleep(100 * time.Millisecond) // time for a wrong call of Ready
	case <-time.After(c.suite.timeout(2 * time.Second)):
	}
	if t.out.state().ready > 0 {
		c.addFinding(ruleReady, "Run calls Ready before the server has answered")
	}
	if t.out.state().returned {
		return
	}
	t.stop()
}

// checkReady sends an event while Ready is called, and checks that the source emits it.
func (h SourceHarness) checkReady(c *check) {
	opts := optionsOf(c, h.Type, h.Reachable)
	for n := range 2 {
		t := h.newRunner(c, opts)
		for round := range 2 {
			want := h.payload(c, 1000+10*n+round)
			t.out.onReady = func() {
				sent := h.send(c, c, want)
				t.trackSend(sent)
				select {
				case <-sent:
				case <-time.After(300 * time.Millisecond): // Send may wait for the source
				}
			}
			t.startAndAwaitReady()
			if h.Send != nil && !t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool {
				return s.returned || slices.ContainsFunc(s.emitted, func(e emittedEvent) bool { return string(e.event.Data) == want })
			}) {
				c.timedOut()
				c.Errorf("an event that arrived during the call of Ready was not emitted")
			}
			if t.out.state().returned {
				c.Fatalf("Run returns before its context has ended: %v", <-t.done)
			}
			t.stop()
		}
		_ = t.i.close()
	}
}

// checkEmitsOnce compares the emitted payloads with those that were sent.
func (h SourceHarness) checkEmitsOnce(c *check) {
	t := h.newRunner(c, optionsOf(c, h.Type, h.Reachable))
	t.startAndAwaitReady()
	var want []string
	if h.Send == nil {
		t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return len(s.emitted) >= 3 || s.returned })
	} else {
		for n := range 6 {
			want = append(want, h.payload(c, n))
		}
		// The first two are sent alone, the others together.
		for _, part := range [][]string{want[:1], want[1:2], want[2:]} {
			t.trackSend(h.send(c, c, part...))
			n := slices.Index(want, part[len(part)-1]) + 1
			if !t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return len(s.emitted) >= n || s.returned }) {
				c.timedOut()
				break
			}
		}
	}
	t.stop()
	var got []string
	ids := map[string]string{}
	for _, e := range t.out.state().emitted {
		if c.suite.sentByOtherRule(c, string(e.event.Data)) { // an event that an earlier rule has not acked
			continue
		}
		got = append(got, string(e.event.Data))
		if id := e.event.ID; id != "" && ids[id] != "" {
			c.Errorf("two events have the ID %s", id)
		} else if id != "" {
			ids[id] = fmt.Sprintf("event %d", len(got))
		}
		if e.event.Source != "" && e.event.Source != Name {
			c.Errorf("the Source of an event is %q: set it to Env.Name, or leave it empty", e.event.Source)
		}
		if when := e.event.Time; !when.IsZero() && time.Since(when).Abs() > 10*time.Minute && when.Sub(Now()).Abs() > 10*time.Minute {
			c.Errorf("the Time of an event is %v: set it to the time of arrival, or leave it empty", when)
		}
		if e.event.Fence != nil {
			c.Errorf("an event has a Fence: only the router sets it")
		}
	}
	switch {
	case h.Send == nil && len(got) == 0:
		c.Errorf("no event is emitted")
	case h.Send != nil && !slices.Equal(got, want):
		c.Errorf("the source emits %q, and %q were sent", got, want)
	}
}

// checkRunAgain calls Run three times on one instance.
func (h SourceHarness) checkRunAgain(c *check) {
	t := h.newRunner(c, optionsOf(c, h.Type, h.Reachable))
	for n := range 3 {
		t.startAndAwaitReady()
		before := len(t.out.state().emitted)
		t.trackSend(h.send(c, c, h.payload(c, n)))
		if !t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return len(s.emitted) > before || s.returned }) {
			c.timedOut()
			c.Errorf("call %d of Run emits no event", n+1)
		}
		t.stop()
	}
}

// recordSent records the rule that has sent payloads.
func (s *suite) recordSent(c *check, payloads []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sentBy == nil {
		s.sentBy = map[string]string{}
	}
	for _, p := range payloads {
		s.sentBy[p] = c.rule
	}
}

// sentByOtherRule reports whether a rule other than that of c has sent a payload.
func (s *suite) sentByOtherRule(c *check, payload string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	rule, sent := s.sentBy[payload]
	return sent && rule != c.rule
}
