// Package settle is how the router tells a source what has become of a batch. Nothing here calls
// a plugin: what a source learns, it takes from package inflight in a goroutine of its own.
//
// Invariants:
//   - An Ack is settled once. Later calls do nothing.
//   - No method blocks for longer than a lock of this gateway is held, and none panics. So the
//     router may call them anywhere, also where it holds the lock of a queue.
package settle

import (
	"sync/atomic"
	"time"
)

// Owner keeps what becomes of a batch. Only package inflight and tests implement it.
type Owner interface {
	// Settled is called once: with nil where the batch was acked, or why it was nacked.
	Settled(err error)
	// AttemptFailed is called for each attempt that has failed and whose next one is far away.
	AttemptFailed(attempts int, last time.Time)
}

// Ack settles one batch. The zero value belongs to no source: to settle it does nothing. Its
// methods are safe for concurrent use.
type Ack struct {
	owner Owner
	order *Redelivery
	done  atomic.Bool
}

// Init makes an Ack of owner. Batches with the same order come again in their order; nil keeps none.
func (a *Ack) Init(owner Owner, order *Redelivery) { a.owner, a.order = owner, order }

// Settle acks the batch where err is nil, and else nacks it with err. The first call counts. A
// nil *Ack is that of a batch which no source can replay.
func (a *Ack) Settle(err error) {
	if a != nil && a.owner != nil && !a.done.Swap(true) {
		a.owner.Settled(err)
	}
}

// AttemptFailed notes that attempts to deliver an event of the batch have failed, the last one at last, and
// that the next one is far away.
func (a *Ack) AttemptFailed(attempts int, last time.Time) {
	if a != nil && a.owner != nil && !a.done.Load() {
		a.owner.AttemptFailed(attempts, last)
	}
}

// Redelivery returns the keys of the batches that come again; nil where none are kept.
func (a *Ack) Redelivery() *Redelivery { return a.order }

// Nack is the error with which a source ends its Run after a batch was nacked. The source may
// mark it as an error of its own server; it is that of Err.
type Nack struct{ Err error }

func (n *Nack) Error() string { return "a batch was given back: " + n.Err.Error() }

func (n *Nack) Unwrap() error { return n.Err }
