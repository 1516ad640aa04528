package router

import (
	"context"
	"time"

	"eventgateway/gateway/plugin"
)

// pingEvery is after how long without a write a sink's server is asked whether it is there,
// and pingOpen where writes have failed and their pause is over.
const (
	pingEvery = 500 * time.Millisecond
	pingOpen  = 10 * time.Millisecond
)

// take takes what waits in the queue. Where this worker has a pinger, it returns nothing, and
// ok, when it is time to ask.
func (w *worker) take(batch []item) (_ []item, gap *plugin.Gap, ok bool) {
	s := w.sink
	if w.pinger == nil {
		return s.queue.take(s.taking, batch, s.most)
	}
	within := pingEvery
	if !s.breaker.closed() {
		within = pingOpen
	}
	timed, cancel := context.WithTimeout(s.taking, within)
	defer cancel()
	batch, gap, ok = s.queue.take(timed, batch, s.most)
	if !ok && timed.Err() != nil && s.taking.Err() == nil && !s.queue.finished() {
		return batch, nil, true
	}
	return batch, gap, ok
}

// ping asks the sink's server whether it is there. A server that is not shows although no
// event comes, and one that is back is written to at once.
func (w *worker) ping() {
	s := w.sink
	pass, ok := s.breaker.ask()
	if !ok {
		return
	}
	err := s.call("Ping", w.late, w.pinger.Ping)
	switch {
	case s.writing.Err() != nil, err == nil && !pass.probe: // which says nothing of events that fail
		s.breaker.leave(pass, silent, 0)
	case err == nil:
		s.breaker.leave(pass, works, 0)
		s.health.up()
	default:
		if pause := s.breaker.leave(pass, failing(err), s.asked(err)); pause > 0 {
			s.down(err, pause)
		}
	}
}
