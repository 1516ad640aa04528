package generate

import "sync"

// tracker knows up to which number all events were acked. Acks come from any
// goroutine and in any order.
type tracker struct {
	mu    sync.Mutex
	acked int64 // all events below
	now   *run
	room  chan struct{} // there may be more room
}

// run is what one Run has emitted; acks of an earlier one say nothing any more, since
// their events are emitted again.
type run struct {
	tracker *tracker
	next    int64
	flight  []*span // in order, the first not acked
	nacked  chan error
}

// span is the events of one batch.
type span struct {
	until int64
	acked bool
}

// begin goes on behind what was acked.
func (t *tracker) begin() *run {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = &run{tracker: t, next: t.acked, nacked: make(chan error, 1)}
	return t.now
}

// emitted notes n more events and returns the Ack of their batch.
func (r *run) emitted(n int) func(error) {
	t := r.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	r.next += int64(n)
	s := &span{until: r.next}
	r.flight = append(r.flight, s)
	return func(err error) { r.settle(s, err) }
}

func (r *run) settle(s *span, err error) {
	t := r.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now != r {
		return
	}
	if err != nil {
		select {
		case r.nacked <- err:
		default: // one is enough
		}
		return
	}
	s.acked = true
	for len(r.flight) > 0 && r.flight[0].acked {
		t.acked = r.flight[0].until
		r.flight = r.flight[1:]
	}
	select {
	case t.room <- struct{}{}:
	default:
	}
}

func (r *run) outstanding() int {
	r.tracker.mu.Lock()
	defer r.tracker.mu.Unlock()
	return int(r.next - r.tracker.acked)
}

func (t *tracker) position() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acked
}
