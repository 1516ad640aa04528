// Package inflight keeps, for a source that replays, the batches that are on their way, and makes
// their acks. A [PositionTracker] is for a source that goes on behind a position, a [MessageTracker] for one that
// acknowledges each message by itself. A source takes what was settled in a goroutine of its
// own. The methods are safe for concurrent use.
package inflight

import (
	"sync"
	"time"

	"eventgateway/gateway/internal/settle"
)

// PositionTracker is the batches of one Run. P is a position of the source: what it needs to go
// on behind a batch. The position and what is settled are two things: a batch that is not settled
// holds back the position before which everything is settled, and no other batch. Batches in a
// row that are settled take the memory of one, so that a batch that stays costs the same however
// many follow it.
type PositionTracker[P any] struct {
	// Changed gets a value when a batch was settled, unless it holds one.
	Changed chan struct{}

	mu          sync.Mutex
	first, last *batch[P] // in the order in which they were added; the first is not settled
	events      int       // that are not settled
	done        uint64    // events that were settled
	acked       P         // behind the last batch before which every batch is settled
	moved       bool      // something was settled, and was not taken yet
	failed      error
	order       *settle.Redelivery
}

// batch is one batch, or, where it is settled, several in a row.
type batch[P any] struct {
	ack        settle.Ack
	of         *PositionTracker[P]
	begin, end P // of the first batch, and of the last
	events     int
	settled    bool
	before     *batch[P]
	next       *batch[P]
}

// NewPositionTracker begins behind what was acked before.
func NewPositionTracker[P any](acked P) *PositionTracker[P] {
	return &PositionTracker[P]{Changed: make(chan struct{}, 1), acked: acked, order: &settle.Redelivery{}}
}

// Add notes a batch of so many events that is about to be emitted, and the position at its end. It
// returns the batch's Ack.
func (t *PositionTracker[P]) Add(at P, events int) *settle.Ack {
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

// AttemptFailed is part of [settle.Owner].
func (b *batch[P]) AttemptFailed(int, time.Time) {} // a position says nothing of single events

// AddAcked notes batches in a row that were settled before this Run, by the positions of
// the first and the last.
func (t *PositionTracker[P]) AddAcked(span Span[P]) {
	b := &batch[P]{of: t, begin: span.First, end: span.Last, settled: true}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.append(b)
	t.join(b)
}

func (t *PositionTracker[P]) append(b *batch[P]) {
	if b.before = t.last; t.last != nil {
		t.last.next = b
	} else {
		t.first = b
	}
	t.last = b
}

func (t *PositionTracker[P]) settle(b *batch[P], err error) {
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
func (t *PositionTracker[P]) join(b *batch[P]) {
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

func (t *PositionTracker[P]) remove(b *batch[P]) {
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
func (t *PositionTracker[P]) State() (events int, failed error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.events, t.failed
}

// AckedEvents returns how many events were settled. It grows while sinks take something.
func (t *PositionTracker[P]) AckedEvents() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done
}

// Acked returns the position before which everything is settled.
func (t *PositionTracker[P]) Acked() P {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acked
}

// Span is positions in a row, both inside.
type Span[P any] struct{ First, Last P }

// AckedSpans returns the position before which everything is settled, and the spans above it that
// are, in order.
func (t *PositionTracker[P]) AckedSpans() (acked P, above []Span[P]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.first; b != nil; b = b.next {
		if b.settled {
			above = append(above, Span[P]{b.begin, b.end})
		}
	}
	return t.acked, above
}

// Unacked returns the positions of the batches that are not settled, in the order in which they
// were added.
func (t *PositionTracker[P]) Unacked() (at []P) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.first; b != nil; b = b.next {
		if !b.settled {
			at = append(at, b.end)
		}
	}
	return at
}

// Advance notes a position that has changed without a batch, and says whether it could:
// nothing may be on its way.
func (t *PositionTracker[P]) Advance(at P) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first != nil {
		return false
	}
	t.acked, t.moved = at, true
	return true
}

// Reset drops all batches, whose acks do nothing any more, and begins at a position.
func (t *PositionTracker[P]) Reset(at P) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.first; b != nil; b = b.next {
		b.settled, b.events = true, 0
	}
	t.order = &settle.Redelivery{} // nothing comes again behind that
	t.first, t.last, t.events = nil, nil, 0
	t.acked, t.moved = at, true
}

// Progressed says whether there is something to store.
func (t *PositionTracker[P]) Progressed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.moved
}

// StartCheckpoint says whether there is something to store, and notes that it is being stored: what is
// settled from now on is for the next time. Settled or Open, which are called then, say what.
func (t *PositionTracker[P]) StartCheckpoint() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	moved := t.moved
	t.moved = false
	return moved
}

// CheckpointFailed undoes StartCheckpoint: nothing was stored.
func (t *PositionTracker[P]) CheckpointFailed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moved = true
}
