// Package ack follows the batches that sources have emitted, until each is settled: acked when every
// required sink has all of its events, else nacked.
//
// A [Tracker] belongs to a source, a [Run] to one run of it, a [Receipt] to one batch. Queues and workers
// hold receipts, which report the state of the run: its leadership may be lost, or its source may have ended.
//
// Invariant: redelivery keeps the order of a key. From the first copy of a batch that cannot be delivered, later
// batches with one of its keys are nacked, too. So the source redelivers them after it.
package ack

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/stats"
)

// Errors that settle events which were not delivered.
var (
	ErrDropped  = errors.New("dropped by a full queue")
	ErrReplaced = errors.New("the source was replaced or removed by a reload")
	ErrStopping = errors.New("the gateway is stopping, or the sink was removed")
	// ErrNotLeading is the error of events, and of runs, of a leadership that is lost.
	ErrNotLeading = errors.New("the leadership is lost: another gateway may have taken over")
)

// Tracker follows the batches of one source, over all its runs.
type Tracker struct {
	counts *stats.SourceRecord
	stall  func(reason string)

	deadline atomic.Pointer[time.Time] // set by End

	outstanding atomic.Int64 // events that are not settled

	mu   sync.Mutex
	idle chan struct{} // closed when no event is outstanding; nil if Idle was not called
}

// NewTracker returns a Tracker that counts in counts. stall is called with the reason why a queue blocks
// the source for long, and with "" when it does not block it any more.
func NewTracker(counts *stats.SourceRecord, stall func(reason string)) *Tracker {
	return &Tracker{counts: counts, stall: stall}
}

// Begin returns the record of a new run.
func (t *Tracker) Begin() *Run { return &Run{tracker: t} }

// End records that the source has ended and is closed at deadline. Events whose next attempt is later
// are returned at once, because the source's successor redelivers them.
func (t *Tracker) End(deadline time.Time) { t.deadline.Store(&deadline) }

// Outstanding returns how many events are not settled.
func (t *Tracker) Outstanding() uint64 {
	return uint64(t.outstanding.Load())
}

// Idle returns a channel that is closed as soon as no event is outstanding.
func (t *Tracker) Idle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	idle := make(chan struct{})
	if t.outstanding.Load() == 0 {
		close(idle)
		return idle
	}
	if t.idle == nil {
		t.idle = idle
	}
	return t.idle
}

// Emitted counts n events that the source emits.
func (t *Tracker) Emitted(n uint64) {
	t.counts.Emit(n)
	t.outstanding.Add(int64(n))
}

// Settled counts n events that are settled with err.
func (t *Tracker) Settled(n uint64, err error) {
	t.counts.Settle(n, err == nil)
	if t.outstanding.Add(-int64(n)) > 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.outstanding.Load() == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// Run is the record of one run of a source.
type Run struct {
	tracker *Tracker
	revoked atomic.Bool
}

// Revoke records that the leadership of the run is lost: its events must not be delivered any more,
// because the new leader redelivers them.
func (r *Run) Revoke() { r.revoked.Store(true) }

// Receipt returns the receipt of a batch with an Ack, with a guard that the caller settles by Done when the
// batch is fanned out. The slice of the batch must not change until it is settled.
func (r *Run) Receipt(b event.Batch) *Receipt {
	rec := &Receipt{run: r, ack: b.Ack, events: b.Events}
	rec.pending.Store(1)
	return rec
}
