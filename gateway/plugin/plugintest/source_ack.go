package plugintest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/plugin"
)

var errNack = errors.New("nack")

// acks settles batches within the Emit of a later one, from many goroutines, and after Run.
func (h SourceHarness) acks(c *check) {
	for _, verdict := range []error{nil, errNack} {
		t := h.turn(c, optionsOf(c, h.Type, h.Reachable))
		var held []*receipt
		t.out.verdict = func(int) (bool, error) { return false, nil }
		t.run()
		for n := range 4 {
			before := len(t.out.state().took)
			h.send(c, quiet{c}, h.payload(c, n))
			if !t.out.await(c.suite.patience(2*time.Second), func(s state) bool { return len(s.took) > before || s.over }) {
				break // it waits until the one before it is settled
			}
		}
		for _, e := range t.out.state().took {
			if e.ack != nil && !slices.Contains(held, e.ack) {
				held = append(held, e.ack)
			}
			if e.ack == nil && h.Type.Has(plugin.Replays) {
				c.breaks(ruleReplays, "a batch has no Ack, and the type has the capability Replays")
			}
		}
		half := len(held) / 2
		var all sync.WaitGroup
		for _, r := range slices.Backward(held[half:]) {
			all.Go(func() { r.settle(verdict) })
		}
		all.Wait()
		t.cancel()
		_ = c.await("Run", t.done)
		for _, r := range held[:half] { // after Run
			all.Go(func() { r.settle(verdict) })
		}
		all.Wait()
		for _, e := range t.out.state().took {
			e.ack.settle(verdict)
		}
		_ = t.i.close()
	}
}

// replays gives events back, and looks that they come again, under the same IDs.
func (h SourceHarness) replays(c *check) {
	if !h.Type.Has(plugin.Replays) {
		c.Skip("the type has no capability Replays")
	}
	opts := optionsOf(c, h.Type, h.Reachable)
	t := h.turn(c, opts)
	t.out.verdict = func(int) (bool, error) { return true, errNack }
	t.run()
	h.send(c, quiet{c}, h.payload(c, 0), h.payload(c, 1))
	t.awaits("an event", func(s state) bool { return len(s.took) > 0 })
	first := t.out.state().took[0].event
	if first.ID == "" {
		c.Fatalf("an event that is to be replayed has no ID")
	}
	comes := func(after int) func(state) bool {
		return func(s state) bool {
			return len(s.took) > after && slices.ContainsFunc(s.took[after:], func(e emitted) bool { return e.event.ID == first.ID })
		}
	}
	t.awaits("what was nacked", comes(1))
	// It is acked now, and what was emitted meanwhile, too.
	var taken int
	t.out.set(func() {
		taken = len(t.out.took)
		t.out.verdict = func(int) (bool, error) { return true, nil }
	})
	t.awaits("what was nacked twice", comes(taken))
	for _, e := range t.out.state().took[taken:] {
		if e.event.ID == first.ID && string(e.event.Data) != string(first.Data) {
			c.Errorf("event %s comes again with other bytes", first.ID)
		}
	}
	t.finish()
	// The next Run goes on behind what was acked, and emits again what was not.
	before := len(t.out.state().took)
	t.out.verdict = func(int) (bool, error) { return false, nil }
	h.send(c, quiet{c}, h.payload(c, 2))
	t.start()
	t.awaits("an event of the next Run", func(s state) bool { return len(s.took) > before })
	next := t.out.state().took[before].event
	if next.ID == first.ID {
		c.Errorf("event %s was acked, and is emitted again", first.ID)
	}
	t.finish()
	for _, e := range t.out.state().took {
		e.ack.settle(errNack) // once: it is open, or was settled before
	}
	before = len(t.out.state().took)
	t.start()
	t.awaits("what was nacked when Run had ended", func(s state) bool {
		return slices.ContainsFunc(s.took[before:], func(e emitted) bool { return e.event.ID == next.ID })
	})
	h.outOfOrder(t)
}

// outOfOrder acks a later batch, and then gives the one before it back.
func (h SourceHarness) outOfOrder(t *turn) {
	before := len(t.out.state().took)
	t.out.set(func() { t.out.verdict = func(int) (bool, error) { return false, nil } })
	for n := range 3 { // a source may emit again what was open before
		h.send(t.c, quiet{t.c}, h.payload(t.c, 100+n))
		t.out.await(t.c.suite.patience(time.Second), func(s state) bool { return len(s.took) > before+n || s.over })
	}
	took := t.out.state().took[before:]
	if len(took) < 2 || took[0].ack == nil || took[len(took)-1].ack == took[0].ack {
		t.finish() // it waits until a batch is settled before it emits the next
		return
	}
	first := took[0]
	for _, e := range slices.Backward(took) {
		if e.ack != first.ack {
			e.ack.settle(nil)
		}
	}
	first.ack.settle(errNack)
	after := len(t.out.state().took)
	t.out.set(func() { t.out.verdict = func(int) (bool, error) { return true, nil } })
	if t.out.state().over {
		t.finish()
		t.start()
	}
	t.awaits("what was nacked when a later batch was acked", func(s state) bool {
		return slices.ContainsFunc(s.took[after:], func(e emitted) bool { return e.event.ID == first.event.ID })
	})
	t.finish()
}

// awaits waits for a state, and calls Run again where it returns an error.
func (t *turn) awaits(what string, done func(state) bool) {
	end := time.Now().Add(t.c.suite.patience(2 * t.c.suite.arrives))
	for {
		t.out.await(time.Until(end), func(s state) bool { return done(s) || s.over })
		switch {
		case done(t.out.state()):
			return
		case !t.out.state().over || time.Now().After(end):
			t.c.waited()
			t.c.Fatalf("%s is not emitted", what)
		}
		if err := <-t.done; err == nil {
			t.c.Fatalf("Run returns nil after a nack")
		}
		t.start()
	}
}

// finish ends Run, or takes its error where a nack has ended it.
func (t *turn) finish() {
	t.cancel()
	_ = t.c.await("Run", t.done)
}
