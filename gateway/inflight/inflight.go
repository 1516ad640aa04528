// Package inflight keeps, for a source that replays, the batches that are on their way,
// and how far everything before was acked. Its methods are safe for concurrent use: acks
// come from any goroutine, and in any order.
package inflight

import (
	"fmt"
	"sync"
)

// Tracker is the batches of one Run. P is a position of the source: what it needs to go
// on behind a batch.
type Tracker[P any] struct {
	// Changed gets a value when a batch was settled, unless it holds one.
	Changed chan struct{}

	mu      sync.Mutex
	batches []*batch[P] // in the order in which they were emitted, the first not acked
	events  int
	acked   P    // behind the last batch before which every batch is acked
	moved   bool // acked was not taken yet
	failed  error
}

type batch[P any] struct {
	after  P
	events int
	acked  bool
}

// New begins behind what was acked before.
func New[P any](acked P) *Tracker[P] {
	return &Tracker[P]{Changed: make(chan struct{}, 1), acked: acked}
}

// Add notes a batch that is about to be emitted, and the position behind it. It returns
// the batch's Ack.
func (t *Tracker[P]) Add(after P, events int) (ack func(error)) {
	b := &batch[P]{after: after, events: events}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.batches = append(t.batches, b)
	t.events += events
	return func(err error) { t.settle(b, err) }
}

func (t *Tracker[P]) settle(b *batch[P], err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		if t.failed == nil {
			t.failed = fmt.Errorf("a batch was given back: %w", err)
		}
	} else {
		b.acked = true
		for len(t.batches) > 0 && t.batches[0].acked {
			t.acked, t.moved = t.batches[0].after, true
			t.events -= t.batches[0].events
			t.batches[0] = nil
			t.batches = t.batches[1:]
		}
	}
	select {
	case t.Changed <- struct{}{}:
	default:
	}
}

// State returns how many events are in batches from the first on that is not acked,
// and the error with which one was given back.
func (t *Tracker[P]) State() (events int, failed error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.events, t.failed
}

// Acked returns the position before which everything is acked.
func (t *Tracker[P]) Acked() P {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acked
}

// Idle notes a position that has changed without a batch, and says whether it could:
// nothing may be on its way.
func (t *Tracker[P]) Idle(at P) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.batches) > 0 {
		return false
	}
	t.acked, t.moved = at, true
	return true
}

// Progressed says whether there is a position to store.
func (t *Tracker[P]) Progressed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.moved
}

// Take returns the position to store, and false where it was taken before.
func (t *Tracker[P]) Take() (P, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	moved := t.moved
	t.moved = false
	return t.acked, moved
}

// Keep takes a Take back: nothing was stored.
func (t *Tracker[P]) Keep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moved = true
}
