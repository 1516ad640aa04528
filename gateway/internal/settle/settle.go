// Package settle passes the results of batches from the router to package inflight, where sources read
// them. No code of a plugin runs in the goroutine that settles a batch.
//
// Invariants:
//   - An Ack is settled once. Later calls do nothing.
//   - No method panics, or blocks except for short locks. So the router may call them while it holds the
//     lock of a queue.
package settle

import (
	"sync/atomic"
	"time"
)

// Owner records what becomes of a batch. Only package inflight and tests implement it.
type Owner interface {
	// Settled is called once: with nil if the batch was acked, or with the reason why it was nacked.
	Settled(err error)
	// AttemptFailed is called for each failed attempt that is followed by a long pause.
	AttemptFailed(attempts int, last time.Time)
}

// Ack settles one batch. Settling the zero value or a nil *Ack has no effect: it is for batches that no
// source can replay. Its methods are safe for concurrent use.
type Ack struct {
	owner      Owner
	redelivery *Redelivery
	done       atomic.Bool
}

// Init sets the owner. redelivery has the keys that the owner's source redelivers; nil is for a source without order.
func (a *Ack) Init(owner Owner, redelivery *Redelivery) { a.owner, a.redelivery = owner, redelivery }

// Settle acks the batch if err is nil, and else nacks it with err. Only the first call has an effect.
func (a *Ack) Settle(err error) {
	if a != nil && a.owner != nil && !a.done.Swap(true) {
		a.owner.Settled(err)
	}
}

// AttemptFailed records how many attempts of an event of the batch have failed, and when the last one did. It is called
// where the next attempt follows after a long pause.
func (a *Ack) AttemptFailed(attempts int, last time.Time) {
	if a != nil && a.owner != nil && !a.done.Load() {
		a.owner.AttemptFailed(attempts, last)
	}
}

// Redelivery returns the keys that the batch's source redelivers; nil for a source without order.
func (a *Ack) Redelivery() *Redelivery { return a.redelivery }

// Nack is the error that a source returns from Run after a batch was nacked. The router does not count it
// against the source's own server, even if the source has marked it so.
type Nack struct{ Err error }

func (n *Nack) Error() string { return "a batch was nacked: " + n.Err.Error() }

func (n *Nack) Unwrap() error { return n.Err }
