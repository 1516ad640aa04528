package letters

import (
	"fmt"
)

// outcome is the outcome of one sent letter.
type outcome struct {
	replay *Replay
	number uint64
	err    error  // nil: it was delivered
	done   func() // called when the outcome is recorded
}

// addOutcome adds an outcome to be recorded. It does not block, because the caller may hold the lock of a queue.
func (r *Replays) addOutcome(o outcome) {
	r.outcomesMu.Lock()
	r.outcomes = append(r.outcomes, o)
	r.outcomesMu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// record records outcomes until Close is called, and removes the letters that were delivered.
func (r *Replays) record() {
	defer close(r.stopped)
	for last := false; !last; {
		select {
		case <-r.wake:
		case <-r.stop:
			last = true
		}
		r.outcomesMu.Lock()
		batch := r.outcomes
		r.outcomes = nil
		r.outcomesMu.Unlock()
		r.recordBatch(batch)
	}
}

func (r *Replays) recordBatch(batch []outcome) {
	var delivered []uint64
	for _, o := range batch {
		if o.err == nil {
			delivered = append(delivered, o.number)
		}
	}
	var failed error
	if len(delivered) > 0 {
		if _, err := r.letters.Remove(delivered); err != nil {
			failed = fmt.Errorf("delivered, but it cannot be removed: %w", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range batch {
		delete(r.queued, o.number)
		p := o.replay
		p.Queued--
		switch {
		case o.err == nil && failed == nil:
			p.Delivered++
		case o.err == nil:
			p.fail(o.number, failed)
		default:
			p.fail(o.number, o.err)
		}
		p.notify()
		o.done()
	}
}

// Close records the outcomes of all letters that were settled before.
func (r *Replays) Close() {
	close(r.stop)
	<-r.stopped
}
