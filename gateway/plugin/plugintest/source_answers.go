package plugintest

import (
	"errors"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

const (
	ruleTryEmit = "a source with the capability AnswersSenders emits by TryEmit with an Ack for each batch, and no other source does"
	ruleAnswers = "each sender is answered when its event is settled, and at once if there is no room or the source does not run"
)

// TryEmit is part of [plugin.Output].
func (o *recordingOutput) TryEmit(batches ...event.Batch) error {
	defer o.notify()
	if !o.answers {
		o.c.addFinding(ruleTryEmit, "TryEmit is called by a type without the capability: add With(plugin.AnswersSenders), or call Emit")
	}
	o.mu.Lock()
	switch {
	case o.returned:
		o.mu.Unlock()
		return plugin.ErrNotRunning
	case o.blocking:
		o.blocked = true
		o.mu.Unlock()
		return plugin.ErrNoRoom
	}
	o.mu.Unlock()
	for _, b := range batches {
		if b.Ack == nil {
			o.c.addFinding(ruleTryEmit, "TryEmit gets a batch without an Ack: make one by inflight.NewVerdict")
			return errors.New("a batch has no Ack")
		}
		_ = o.record(b)
	}
	return nil
}

// answer is the answer to a sender.
type answer struct{ delivered bool }

// request calls Request in a goroutine.
func (h SourceHarness) request(c *check, payload string) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		defer c.recover()
		clearLabels()
		c.suite.recordSent(c, []string{payload})
		got <- answer{h.Request(ignoreFailures{c}, payload)}
	}()
	return got
}

// expect waits for the answer of a request.
func (h SourceHarness) expect(c *check, got <-chan answer, delivered bool, when string) {
	select {
	case a := <-got:
		if a.delivered != delivered {
			c.Errorf("%s, the answer to the sender is delivered=%t", when, a.delivered)
		}
	case <-time.After(c.suite.timeout(c.suite.arrivalTimeout)):
		c.timedOut()
		c.Errorf("%s, the sender gets no answer", when)
	}
}

// checkAnswers sends requests that are acked, nacked, settled out of order, and refused, and one while no Run is under way.
func (h SourceHarness) checkAnswers(c *check) {
	if !h.Type.Has(plugin.AnswersSenders) {
		c.Skip("the type has no capability AnswersSenders")
	}
	if h.Request == nil {
		c.Skip("the harness has no Request")
	}
	t := h.newRunner(c, optionsOf(c, h.Type, h.Reachable))
	t.out.ackPolicy = func(int) (bool, error) { return false, nil }
	h.expect(c, h.request(c, h.payload(c, 0)), false, "before Run is called")
	t.startAndAwaitReady()
	var got []<-chan answer
	for n := range 3 { // the later ones do not wait for the earlier ones
		before := len(t.out.state().emitted)
		got = append(got, h.request(c, h.payload(c, 1+n)))
		if !t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return len(s.emitted) > before || s.returned }) {
			c.timedOut()
			c.Fatalf("request %d is not emitted while %d are not settled", n+1, n)
		}
	}
	for n, g := range got {
		select {
		case a := <-g:
			c.Fatalf("request %d is answered before its event is settled: delivered=%t", n+1, a.delivered)
		case <-time.After(50 * time.Millisecond): // there is no signal for the absence of an answer
		}
	}
	emitted := t.out.state().emitted
	emitted[2].receipt.settle(nil)
	h.expect(c, got[2], true, "after an ack")
	emitted[0].receipt.settle(plugin.Permanent(errNack))
	h.expect(c, got[0], false, "after a nack that is permanent")
	emitted[1].receipt.settle(errNack)
	h.expect(c, got[1], false, "after a nack")
	t.out.update(func() { t.out.blocking = true })
	h.expect(c, h.request(c, h.payload(c, 5)), false, "without room")
	t.out.update(func() { t.out.blocking = false })
	unsettled := h.request(c, h.payload(c, 6))
	t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return len(s.emitted) > 3 || s.returned })
	t.stop()
	h.expect(c, h.request(c, h.payload(c, 7)), false, "after Run has returned")
	for _, e := range t.out.state().emitted {
		e.receipt.settle(nil) // the router delivers what was emitted before the stop
	}
	h.expect(c, unsettled, true, "after an ack behind the end of Run")
	_ = t.i.close()
	h.expect(c, h.request(c, h.payload(c, 8)), false, "after Close")
}

// send calls Request for each payload, for a harness without Send.
func (h SourceHarness) sendByRequests(t testing.TB, payloads ...string) {
	for _, p := range payloads {
		h.Request(t, p)
	}
}
