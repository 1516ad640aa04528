package ack

import (
	"sync"
	"sync/atomic"
	"time"
)

// Receipt settles one batch. It counts the event copies that are not settled, plus a guard while the
// batch is fanned out. When the last one is settled, so is the batch: with nil where all copies were
// settled so, else with the first error. A nil *Receipt is that of events which their source cannot replay, or
// for which it does not wait; its methods do nothing.
type Receipt struct {
	pending   atomic.Int64
	once      sync.Once
	err       error
	run       *Run
	settle    func(error)
	attempted func(n int, last time.Time) // may be nil
}

// Add announces n more copies. It is called only before the guard is settled.
func (r *Receipt) Add(n int) {
	if r != nil {
		r.pending.Add(int64(n))
	}
}

// Done settles one copy, or the guard.
func (r *Receipt) Done(err error) {
	if r == nil {
		return
	}
	if err != nil {
		r.once.Do(func() { r.err = err }) // the last Done reads it: Add orders the two
	}
	if r.pending.Add(-1) == 0 {
		r.settle(r.err)
	}
}

// Attempted tells a source that remembers attempts of the nth failed one.
func (r *Receipt) Attempted(n int, at time.Time) {
	if r != nil && r.attempted != nil {
		r.attempted(n, at)
	}
}

// Of reports whether the batch is one of the tracker's source.
func (r *Receipt) Of(t *Tracker) bool { return r != nil && r.run.tracker == t }

// Tracker returns the tracker of the batch's source; nil for a nil receipt.
func (r *Receipt) Tracker() *Tracker {
	if r == nil {
		return nil
	}
	return r.run.tracker
}

// Revoked reports whether the batch was emitted under a leadership that is lost.
func (r *Receipt) Revoked() bool { return r != nil && r.run.revoked.Load() }

// Deadline returns until when the source, which has ended, waits for the batch. ended is false where it has not
// ended, or where the receipt is nil.
func (r *Receipt) Deadline() (deadline time.Time, ended bool) {
	if r == nil {
		return deadline, false
	}
	if d := r.run.tracker.deadline.Load(); d != nil {
		return *d, true
	}
	return deadline, false
}

// Stalled records why a queue holds the source up; "" says that it does not any more.
func (t *Tracker) Stalled(reason string) {
	if t.stall != nil {
		t.stall(reason)
	}
}
