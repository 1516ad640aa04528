// Package inflight keeps, for a source that replays, the batches that are on their way, and makes
// their acks. A [Tracker] is for a source that goes on behind a position, a [Ledger] for one that
// acknowledges each message by itself. A source takes what was settled in a goroutine of its
// own. The methods are safe for concurrent use.
package inflight

import (
	"sync"
	"time"

	"eventgateway/gateway/internal/settle"
)

// Tracker is the batches of one Run. P is a position of the source: what it needs to go
// on behind a batch. The position and what is settled are two things: a batch that is not settled
// holds back the position before which everything is settled, and no other batch. Batches in a
// row that are settled take the memory of one, so that a batch that stays costs the same however
// many follow it.
type Tracker[P any] struct {
	// Changed gets a value when a batch was settled, unless it holds one.
	Changed chan struct{}

	mu          sync.Mutex
	first, last *batch[P] // in the order in which they were added; the first is not settled
	events      int       // that are not settled
	done        uint64    // events that were settled
	acked       P         // behind the last batch before which every batch is settled
	moved       bool      // something was settled, and was not taken yet
	failed      error
	order       *settle.Order
}

// batch is one batch, or, where it is settled, several in a row.
type batch[P any] struct {
	ack        settle.Ack
	of         *Tracker[P]
	begin, end P // of the first batch, and of the last
	events     int
	settled    bool
	before     *batch[P]
	next       *batch[P]
}

// New begins behind what was acked before.
func New[P any](acked P) *Tracker[P] {
	return &Tracker[P]{Changed: make(chan struct{}, 1), acked: acked, order: &settle.Order{}}
}

// Add notes a batch of so many events that is about to be emitted, and the position at its end. It
// returns the batch's Ack.
func (t *Tracker[P]) Add(at P, events int) *settle.Ack {
	b := &batch[P]{of: t, begin: at, end: at, events: events}
	t.mu.Lock()
	defer t.mu.Unlock()
	b.ack.Init(b, t.order)
	t.append(b)
	t.events += b.events
	return &b.ack
}

// Settled is part of [settle.Owner].
func (b *batch[P]) Settled(err error) { b.of.settle(b, err) }

// Tried is part of [settle.Owner].
func (b *batch[P]) Tried(int, time.Time) {} // a position says nothing of single events

// AddSettled notes batches in a row that were settled before this Run, by the positions of
// the first and the last.
func (t *Tracker[P]) AddSettled(span Span[P]) {
	b := &batch[P]{of: t, begin: span.First, end: span.Last, settled: true}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.append(b)
	t.join(b)
}

func (t *Tracker[P]) append(b *batch[P]) {
	if b.before = t.last; t.last != nil {
		t.last.next = b
	} else {
		t.first = b
	}
	t.last = b
}

func (t *Tracker[P]) settle(b *batch[P], err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case b.settled: // it was forgotten
		return
	case err == nil:
		t.events -= b.events
		t.done += uint64(b.events)
		b.settled, b.events = true, 0
		t.join(b)
	case t.failed == nil:
		t.failed = &settle.Nack{Err: err}
	}
	changed(t.Changed)
}

func changed(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// join makes one of a batch that was settled and its neighbours that are, and moves the
// position where nothing is left before them.
func (t *Tracker[P]) join(b *batch[P]) {
	if p := b.before; p != nil && p.settled {
		b.begin = p.begin
		t.remove(p)
	}
	if n := b.next; n != nil && n.settled {
		b.end = n.end
		t.remove(n)
	}
	if b == t.first {
		t.acked = b.end
		t.remove(b)
	}
	t.moved = true
}

func (t *Tracker[P]) remove(b *batch[P]) {
	if b.before != nil {
		b.before.next = b.next
	} else {
		t.first = b.next
	}
	if b.next != nil {
		b.next.before = b.before
	} else {
		t.last = b.before
	}
}

// State returns how many events are not settled, and the error with which one was given
// back.
func (t *Tracker[P]) State() (events int, failed error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.events, t.failed
}

// Done returns how many events were settled. It grows while sinks take something.
func (t *Tracker[P]) Done() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done
}

// Acked returns the position before which everything is settled.
func (t *Tracker[P]) Acked() P {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acked
}

// Span is positions in a row, both inside.
type Span[P any] struct{ First, Last P }

// Settled returns the position before which everything is settled, and the spans above it that
// are, in order.
func (t *Tracker[P]) Settled() (acked P, above []Span[P]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.first; b != nil; b = b.next {
		if b.settled {
			above = append(above, Span[P]{b.begin, b.end})
		}
	}
	return t.acked, above
}

// Open returns the positions of the batches that are not settled, in the order in which they
// were added.
func (t *Tracker[P]) Open() (at []P) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.first; b != nil; b = b.next {
		if !b.settled {
			at = append(at, b.end)
		}
	}
	return at
}

// Idle notes a position that has changed without a batch, and says whether it could:
// nothing may be on its way.
func (t *Tracker[P]) Idle(at P) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first != nil {
		return false
	}
	t.acked, t.moved = at, true
	return true
}

// Forget drops all batches, whose acks do nothing any more, and begins at a position.
func (t *Tracker[P]) Forget(at P) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.first; b != nil; b = b.next {
		b.settled, b.events = true, 0
	}
	t.order = &settle.Order{} // nothing comes again behind that
	t.first, t.last, t.events = nil, nil, 0
	t.acked, t.moved = at, true
}

// Progressed says whether there is something to store.
func (t *Tracker[P]) Progressed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.moved
}

// Take says whether there is something to store, and notes that it is being stored: what is
// settled from now on is for the next time. Settled or Open, which are called then, say what.
func (t *Tracker[P]) Take() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	moved := t.moved
	t.moved = false
	return moved
}

// Keep takes a Take back: nothing was stored.
func (t *Tracker[P]) Keep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moved = true
}
