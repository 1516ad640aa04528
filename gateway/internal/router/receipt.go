package router

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// What the receipts of events hear that were not delivered.
var (
	errDropped  = errors.New("dropped by a full queue")
	errReplaced = errors.New("the source was replaced or removed by a reload")
	errStopping = errors.New("the gateway is stopping, or the sink was removed")
)

// receipt settles one batch of a source that can replay. It counts the copies
// that are on their way, plus one guard while the router still fans out. When
// the last is settled the source is told once: nil if all were, else the first
// error, and the source replays the whole batch. A nil *receipt is that of
// events that nobody can replay.
type receipt struct {
	pending atomic.Int64
	once    sync.Once
	err     error
	settle  func(error)
	of      *source                            // that waits for it
	term    *flag                              // set when its source has lost the leadership under which it was emitted; may be nil
	retried func(attempts int, last time.Time) // may be nil
}

func newReceipt(settle func(error)) *receipt {
	r := &receipt{settle: settle}
	r.pending.Store(1)
	return r
}

// add announces n more copies. It is called only while the guard is held.
func (r *receipt) add(n int) {
	if r != nil {
		r.pending.Add(int64(n))
	}
}

// done settles one copy, or the guard.
func (r *receipt) done(err error) {
	if r == nil {
		return
	}
	if err != nil {
		r.once.Do(func() { r.err = err }) // seen by the last done: Add orders it
	}
	if r.pending.Add(-1) == 0 {
		r.settle(r.err)
	}
}

// tried tells the source of an attempt that has failed, where it remembers that.
func (r *receipt) tried(attempts int, at time.Time) {
	if r != nil && r.retried != nil {
		r.of.tell(func() { r.retried(attempts, at) })
	}
}
