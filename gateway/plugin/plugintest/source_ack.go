package plugintest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/plugin"
)

var errNack = errors.New("nack")

// checkAcks acks and nacks batches out of order, from several goroutines, during and after Run.
func (h SourceHarness) checkAcks(c *check) {
	for _, outcome := range []error{nil, errNack} {
		t := h.newRunner(c, optionsOf(c, h.Type, h.Reachable))
		var receipts []*receipt
		t.out.ackPolicy = func(int) (bool, error) { return false, nil }
		t.startAndAwaitReady()
		for n := range 4 {
			before := len(t.out.state().emitted)
			h.send(c, ignoreFailures{c}, h.payload(c, n))
			if !t.out.await(c.suite.timeout(2*time.Second), func(s state) bool { return len(s.emitted) > before || s.returned }) {
				break // the source may wait until the batch before is settled
			}
		}
		for _, e := range t.out.state().emitted {
			if e.receipt != nil && !slices.Contains(receipts, e.receipt) {
				receipts = append(receipts, e.receipt)
			}
			if e.receipt == nil && h.Type.Has(plugin.Replays) {
				c.addFinding(ruleReplays, "a batch has no Ack, and the type has the capability Replays")
			}
		}
		half := len(receipts) / 2
		var all sync.WaitGroup
		for _, r := range slices.Backward(receipts[half:]) {
			all.Go(func() { r.settle(outcome) })
		}
		all.Wait()
		t.cancel()
		_ = c.await("Run", t.done)
		for _, r := range receipts[:half] { // after Run
			all.Go(func() { r.settle(outcome) })
		}
		all.Wait()
		for _, e := range t.out.state().emitted {
			e.receipt.settle(outcome)
		}
		_ = t.i.close()
	}
}

// checkReplay nacks events, and checks that they are emitted again with the same IDs.
func (h SourceHarness) checkReplay(c *check) {
	if !h.Type.Has(plugin.Replays) {
		c.Skip("the type has no capability Replays")
	}
	opts := optionsOf(c, h.Type, h.Reachable)
	t := h.newRunner(c, opts)
	t.out.ackPolicy = func(int) (bool, error) { return true, errNack }
	t.startAndAwaitReady()
	h.send(c, ignoreFailures{c}, h.payload(c, 0), h.payload(c, 1))
	t.awaitEmitted("an event", func(s state) bool { return len(s.emitted) > 0 })
	first := t.out.state().emitted[0].event
	if first.ID == "" {
		c.Fatalf("an event of a source with the capability Replays has no ID")
	}
	emittedAgain := func(after int) func(state) bool {
		return func(s state) bool {
			return len(s.emitted) > after && slices.ContainsFunc(s.emitted[after:], func(e emittedEvent) bool { return e.event.ID == first.ID })
		}
	}
	t.awaitEmitted("a nacked event", emittedAgain(1))
	// From now on all events are acked.
	var emittedBefore int
	t.out.update(func() {
		emittedBefore = len(t.out.emitted)
		t.out.ackPolicy = func(int) (bool, error) { return true, nil }
	})
	t.awaitEmitted("an event that was nacked twice", emittedAgain(emittedBefore))
	for _, e := range t.out.state().emitted[emittedBefore:] {
		if e.event.ID == first.ID && string(e.event.Data) != string(first.Data) {
			c.Errorf("event %s is emitted again with another payload", first.ID)
		}
	}
	t.stopAfterNack()
	// The next Run continues after the acked events, and emits the others again.
	before := len(t.out.state().emitted)
	t.out.ackPolicy = func(int) (bool, error) { return false, nil }
	h.send(c, ignoreFailures{c}, h.payload(c, 2))
	t.start()
	t.awaitEmitted("an event of the next Run", func(s state) bool { return len(s.emitted) > before })
	next := t.out.state().emitted[before].event
	if next.ID == first.ID {
		c.Errorf("event %s was acked, and is emitted again", first.ID)
	}
	t.stopAfterNack()
	for _, e := range t.out.state().emitted {
		e.receipt.settle(errNack) // settle ignores batches that were settled before
	}
	before = len(t.out.state().emitted)
	t.start()
	t.awaitEmitted("an event that was nacked after Run", func(s state) bool {
		return slices.ContainsFunc(s.emitted[before:], func(e emittedEvent) bool { return e.event.ID == next.ID })
	})
	h.checkOutOfOrderAcks(t)
}

// checkOutOfOrderAcks acks a later batch, and then nacks the batch before it.
func (h SourceHarness) checkOutOfOrderAcks(t *runner) {
	before := len(t.out.state().emitted)
	t.out.update(func() { t.out.ackPolicy = func(int) (bool, error) { return false, nil } })
	for n := range 3 { // a source may first emit unsettled events again
		h.send(t.c, ignoreFailures{t.c}, h.payload(t.c, 100+n))
		t.out.await(t.c.suite.timeout(time.Second), func(s state) bool { return len(s.emitted) > before+n || s.returned })
	}
	emitted := t.out.state().emitted[before:]
	if len(emitted) < 2 || emitted[0].receipt == nil || emitted[len(emitted)-1].receipt == emitted[0].receipt {
		t.stopAfterNack() // the source emits the next batch only after the last one is settled
		return
	}
	first := emitted[0]
	for _, e := range slices.Backward(emitted) {
		if e.receipt != first.receipt {
			e.receipt.settle(nil)
		}
	}
	first.receipt.settle(errNack)
	after := len(t.out.state().emitted)
	t.out.update(func() { t.out.ackPolicy = func(int) (bool, error) { return true, nil } })
	if t.out.state().returned {
		t.stopAfterNack()
		t.start()
	}
	t.awaitEmitted("an event that was nacked after a later batch was acked", func(s state) bool {
		return slices.ContainsFunc(s.emitted[after:], func(e emittedEvent) bool { return e.event.ID == first.event.ID })
	})
	t.stopAfterNack()
}

// awaitEmitted waits for a state. It calls Run again after each error of Run.
func (t *runner) awaitEmitted(what string, done func(state) bool) {
	end := time.Now().Add(t.c.suite.timeout(2 * t.c.suite.arrivalTimeout))
	for {
		t.out.await(time.Until(end), func(s state) bool { return done(s) || s.returned })
		switch {
		case done(t.out.state()):
			return
		case !t.out.state().returned || time.Now().After(end):
			t.c.timedOut()
			t.c.Fatalf("%s is not emitted", what)
		}
		if err := <-t.done; err == nil {
			t.c.Fatalf("Run returns nil after a nack")
		}
		t.start()
	}
}

// stopAfterNack ends Run, and ignores its error, because a nack may have ended it.
func (t *runner) stopAfterNack() {
	t.cancel()
	_ = t.c.await("Run", t.done)
}
