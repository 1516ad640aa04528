package ack

import (
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/settle"
)

// Receipt settles one batch. It counts the event copies that are not settled, plus a guard while the
// batch is fanned out. When the last one is settled, so is the batch: with nil where all copies were
// settled so, else with the first error. A nil *Receipt is that of events which their source cannot replay, or
// for which it does not wait; its methods do nothing.
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

// Done settles one copy, or the guard. The caller may hold the lock of a queue. Later events of the
// batch's keys count as behind it from the first error on, because other copies may take long.
func (r *Receipt) Done(err error) {
	if r != nil { // apart, so that this is inlined
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

// fail records the first error: the events of the batch come again.
func (r *Receipt) fail(err error) {
	r.once.Do(func() { // the last Done reads it: Add orders the two
		r.err = err
		for _, m := range r.members {
			m.fail(err)
		}
		r.comesAgain()
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
		r.err = r.behind()
	}
	if r.err != nil {
		r.comesAgain() // again: the source may have begun another run since the first error
	}
	r.ack.Settle(r.err)
	r.run.tracker.Settled(uint64(len(r.events)), r.err)
}

// behind returns an error where the batch was delivered, and has to come again all the same, because an
// earlier event of one of its keys does.
func (r *Receipt) behind() error {
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

// comesAgain records the keys of a batch that is or will be nacked.
func (r *Receipt) comesAgain() {
	if r.members != nil { // each of them has done so
		return
	}
	order := r.ack.Redelivery()
	for _, e := range r.events {
		if e != nil {
			order.Add(e.Key, e.SpansKeys(), r.err)
		}
	}
}

// AttemptFailed records the nth failed attempt, for sources that remember it.
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

// SetStalled records why a queue holds the source up; "" says that it does not any more.
func (t *Tracker) SetStalled(reason string) {
	if t.stall != nil {
		t.stall(reason)
	}
}
