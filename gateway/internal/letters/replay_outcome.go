package letters

import (
	"fmt"
)

// outcome is what has become of a letter.
type outcome struct {
	replay *Replay
	number uint64
	err    error  // nil: it was delivered
	done   func() // is called when it is recorded
}

// settle notes what has become of a letter. It does not block: the lock of a queue may be held.
func (r *Replays) settle(o outcome) {
	r.settling.Lock()
	r.settled = append(r.settled, o)
	r.settling.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// record records what becomes of letters, and removes those that were delivered, until Close is called.
func (r *Replays) record() {
	defer close(r.stopped)
	for last := false; !last; {
		select {
		case <-r.wake:
		case <-r.stop:
			last = true
		}
		r.settling.Lock()
		batch := r.settled
		r.settled = nil
		r.settling.Unlock()
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
		if _, err := r.kept.Remove(delivered); err != nil {
			failed = fmt.Errorf("delivered, but it cannot be removed: %w", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range batch {
		delete(r.busy, o.number)
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

// Close records what has become of the letters that were settled until now.
func (r *Replays) Close() {
	close(r.stop)
	<-r.stopped
}
