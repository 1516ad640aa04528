package ack

import (
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/settle"
)

// Receipt settles one batch. It counts the event copies that are not settled, plus a guard while the batch is fanned
// out. When the last one is settled, it settles the batch with the first error, or with nil if there was none. A nil
// *Receipt is for events that their source cannot redeliver, or does not wait for; its methods do nothing.
type Receipt struct {
	pending atomic.Int64
	once    sync.Once
	err     error
	run     *Run
	ack     *settle.Ack
	events  []*event.Event // the batch's
	members []*Receipt     // of a joint receipt, which has neither ack nor events
}

// Add announces n more copies. It is called only before the guard is settled.
func (r *Receipt) Add(n int) {
	if r != nil {
		r.pending.Add(int64(n))
	}
}

// Done settles one copy, or the guard. The caller may hold the lock of a queue. From the first error on, later events
// of the batch's keys must be redelivered, too; this does not wait for the other copies, which may take long.
func (r *Receipt) Done(err error) {
	if r != nil { // done is separate, so that Done is inlined
		r.done(err)
	}
}

func (r *Receipt) done(err error) {
	if err != nil {
		r.fail(err)
	}
	if r.pending.Add(-1) == 0 {
		r.settle()
	}
}

// fail records the first error: the events of the batch will be redelivered.
func (r *Receipt) fail(err error) {
	r.once.Do(func() { // the last Done reads it: Add orders the two
		r.err = err
		for _, m := range r.members {
			m.fail(err)
		}
		r.addRedelivery()
	})
}

func (r *Receipt) settle() {
	if r.members != nil {
		for _, m := range r.members {
			m.Done(r.err)
		}
		return
	}
	if r.err == nil {
		r.err = r.mustRedeliver()
	}
	if r.err != nil {
		r.addRedelivery() // a second time, because the source may have begun another run since the first error
	}
	r.ack.Settle(r.err)
	r.run.tracker.Settled(uint64(len(r.events)), r.err)
}

// mustRedeliver returns an error if the batch was delivered, and must be redelivered because an earlier event of one of
// its keys is.
func (r *Receipt) mustRedeliver() error {
	order := r.ack.Redelivery()
	if !order.Any() {
		return nil
	}
	for _, e := range r.events {
		if err := order.Check(e.Key, e.SpansKeys()); err != nil {
			return err
		}
	}
	return nil
}

// addRedelivery adds the keys of a batch that is or will be nacked to those that its source redelivers.
func (r *Receipt) addRedelivery() {
	if r.members != nil { // each member has added its keys
		return
	}
	order := r.ack.Redelivery()
	for _, e := range r.events {
		if e != nil {
			order.Add(e.Key, e.SpansKeys(), r.err)
		}
	}
}

// AttemptFailed records the nth failed attempt, for sources that store attempts.
func (r *Receipt) AttemptFailed(n int, at time.Time) {
	if r == nil {
		return
	}
	for _, m := range r.members {
		m.AttemptFailed(n, at)
	}
	if r.members == nil {
		r.ack.AttemptFailed(n, at)
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

// Deadline returns until when the source waits for the batch after its end. ended is false if the source has not ended,
// or if the receipt is nil.
func (r *Receipt) Deadline() (deadline time.Time, ended bool) {
	if r == nil {
		return deadline, false
	}
	if d := r.run.tracker.deadline.Load(); d != nil {
		return *d, true
	}
	return deadline, false
}

// SetStalled records why a queue blocks the source; "" if it does not block it any more.
func (t *Tracker) SetStalled(reason string) {
	if t.stall != nil {
		t.stall(reason)
	}
}
