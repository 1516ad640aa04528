package postgresoutbox

import (
	"errors"
	"fmt"
	"sync"
)

// inFlight is the batches of one Run that are on their way, in the order in which they
// were emitted.
type inFlight struct {
	changed chan struct{} // gets a value when a batch was settled

	mu      sync.Mutex
	batches []*sent
	events  int
	acked   cursor // with the last batch of the acked prefix
	moved   bool   // acked was not stored yet
	failed  error
}

// sent is one batch.
type sent struct {
	cursor cursor // after it
	events int
	done   bool
}

func newInFlight() *inFlight { return &inFlight{changed: make(chan struct{}, 1)} }

// add notes a batch that is about to be emitted, and returns its Ack.
func (f *inFlight) add(c cursor, events int) func(error) {
	b := &sent{cursor: c, events: events}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batches = append(f.batches, b)
	f.events += events
	return func(err error) { f.settle(b, err) }
}

func (f *inFlight) settle(b *sent, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if f.failed == nil {
			f.failed = fmt.Errorf("a batch was given back: %w", err)
		}
	} else {
		b.done = true
		for len(f.batches) > 0 && f.batches[0].done {
			f.acked, f.moved = f.batches[0].cursor, true
			f.events -= f.batches[0].events
			f.batches[0] = nil
			f.batches = f.batches[1:]
		}
	}
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// state returns how many events are on their way, and the error of one that was given
// back.
func (f *inFlight) state() (events int, failed error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.events, f.failed
}

// progressed says whether there is something to store.
func (f *inFlight) progressed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.moved
}

// idle notes a cursor that has changed without a batch, because gaps died, where
// nothing is on its way.
func (f *inFlight) idle(c cursor) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.batches) > 0 {
		return false
	}
	f.acked, f.moved = c, true
	return true
}

// take returns the cursor to store, and false where there is nothing new.
func (f *inFlight) take() (cursor, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	moved := f.moved
	f.moved = false
	return f.acked, moved
}

// keep takes a take back: nothing was stored.
func (f *inFlight) keep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moved = true
}

var errFenced = errors.New("another gateway has taken over: it reads under the same name; give both a leader, or one of them another name")
