// Package inflight tracks the batches of a source that are in flight, and makes their Acks. A source that
// resumes behind a position uses a [PositionTracker]. One that acknowledges each message by itself uses a
// [MessageTracker]. The source reads what was settled in a goroutine of its own. The methods are safe for
// concurrent use.
package inflight

import (
	"sync"
	"time"

	"eventgateway/gateway/internal/settle"
)

// PositionTracker tracks the batches of one Run of a source. P is a position of the source: what it needs
// to resume behind a batch. Batches may be acked in any order, but [PositionTracker.Acked] only moves past
// a batch when that batch and all before it are acked. Adjacent acked batches are stored as one, so a
// batch that stays in flight costs the same memory however many follow it.
type PositionTracker[P any] struct {
	// Changed holds a value after a batch was settled. Its capacity is 1.
	Changed chan struct{}

	mu          sync.Mutex
	first, last *batch[P] // in the order in which they were added; the first is not acked
	events      int       // that are not acked
	ackedEvents uint64
	acked       P    // the end of the last batch up to which every batch is acked
	progressed  bool // since the last StartCheckpoint
	nacked      error
	redelivery  *settle.Redelivery
}

// batch is one batch, or several adjacent ones that are acked.
type batch[P any] struct {
	ack        settle.Ack
	tracker    *PositionTracker[P]
	begin, end P // of the first batch, and of the last
	events     int
	acked      bool // or dropped by Reset
	prev       *batch[P]
	next       *batch[P]
}

// NewPositionTracker returns a tracker without batches. Everything up to the position acked was acked before.
func NewPositionTracker[P any](acked P) *PositionTracker[P] {
	return &PositionTracker[P]{Changed: make(chan struct{}, 1), acked: acked, redelivery: &settle.Redelivery{}}
}

// Add adds a batch that is about to be emitted, with the position at its end and the number of its
// events. It returns the batch's Ack.
func (t *PositionTracker[P]) Add(at P, events int) *settle.Ack {
	b := &batch[P]{tracker: t, begin: at, end: at, events: events}
	t.mu.Lock()
	defer t.mu.Unlock()
	b.ack.Init(b, t.redelivery)
	t.append(b)
	t.events += b.events
	return &b.ack
}

// Settled is part of [settle.Owner].
func (b *batch[P]) Settled(err error) { b.tracker.settle(b, err) }

// AttemptFailed is part of [settle.Owner].
func (b *batch[P]) AttemptFailed(int, time.Time) {} // a position has no place for the attempts of an event

// AddAcked adds adjacent batches that were acked before this Run.
func (t *PositionTracker[P]) AddAcked(span Span[P]) {
	b := &batch[P]{tracker: t, begin: span.First, end: span.Last, acked: true}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.append(b)
	t.join(b)
}

func (t *PositionTracker[P]) append(b *batch[P]) {
	if b.prev = t.last; t.last != nil {
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
	case b.acked: // dropped by Reset
		return
	case err == nil:
		t.events -= b.events
		t.ackedEvents += uint64(b.events)
		b.acked, b.events = true, 0
		t.join(b)
	case t.nacked == nil:
		t.nacked = &settle.Nack{Err: err}
	}
	signal(t.Changed)
}

// signal puts a value into a channel of capacity 1, unless it is full.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// join merges a batch that was acked with its acked neighbours. It advances the position if no batch is
// left before them.
func (t *PositionTracker[P]) join(b *batch[P]) {
	if p := b.prev; p != nil && p.acked {
		b.begin = p.begin
		t.remove(p)
	}
	if n := b.next; n != nil && n.acked {
		b.end = n.end
		t.remove(n)
	}
	if b == t.first {
		t.acked = b.end
		t.remove(b)
	}
	t.progressed = true
}

func (t *PositionTracker[P]) remove(b *batch[P]) {
	if b.prev != nil {
		b.prev.next = b.next
	} else {
		t.first = b.next
	}
	if b.next != nil {
		b.next.prev = b.prev
	} else {
		t.last = b.prev
	}
}

// State returns how many events are not acked, and the error of the first batch that was nacked, a
// [*settle.Nack]; nil if there is none.
func (t *PositionTracker[P]) State() (events int, nacked error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.events, t.nacked
}

// AckedEvents returns how many events were acked in all. It grows as long as sinks make progress.
func (t *PositionTracker[P]) AckedEvents() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ackedEvents
}

// Acked returns the position up to which everything is acked.
func (t *PositionTracker[P]) Acked() P {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acked
}

// Span is a range of positions, First and Last included.
type Span[P any] struct{ First, Last P }

// AckedSpans returns the position up to which everything is acked, and the acked spans above it, in order.
func (t *PositionTracker[P]) AckedSpans() (acked P, above []Span[P]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.first; b != nil; b = b.next {
		if b.acked {
			above = append(above, Span[P]{b.begin, b.end})
		}
	}
	return t.acked, above
}

// Unacked returns the positions of the batches that are not acked, in the order in which they
// were added.
func (t *PositionTracker[P]) Unacked() (at []P) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.first; b != nil; b = b.next {
		if !b.acked {
			at = append(at, b.end)
		}
	}
	return at
}

// Advance moves the position without a batch. It reports false, and does nothing, if a batch is in flight.
func (t *PositionTracker[P]) Advance(at P) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first != nil {
		return false
	}
	t.acked, t.progressed = at, true
	return true
}

// Reset drops all batches and continues at a position. The Acks of the dropped batches have no effect any more.
func (t *PositionTracker[P]) Reset(at P) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.first; b != nil; b = b.next {
		b.acked, b.events = true, 0
	}
	t.redelivery = &settle.Redelivery{} // the dropped batches are not emitted again
	t.first, t.last, t.events = nil, nil, 0
	t.acked, t.progressed = at, true
}

// Progressed reports whether there is anything to store.
func (t *PositionTracker[P]) Progressed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.progressed
}

// StartCheckpoint reports whether there is anything to store. If so, the caller reads it next, by AckedSpans or
// Unacked, and stores it. What is acked after the call belongs to the next checkpoint.
func (t *PositionTracker[P]) StartCheckpoint() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	progressed := t.progressed
	t.progressed = false
	return progressed
}

// CheckpointFailed undoes [PositionTracker.StartCheckpoint]: nothing was stored.
func (t *PositionTracker[P]) CheckpointFailed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progressed = true
}

// First returns the position of the first batch that is not acked and for which match reports true. It reports false if there
// is none.
func (t *PositionTracker[P]) First(match func(P) bool) (at P, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.first; b != nil; b = b.next {
		if !b.acked && match(b.end) {
			return b.end, true
		}
	}
	return at, false
}
