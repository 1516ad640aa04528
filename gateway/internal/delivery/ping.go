package delivery

import (
	"context"
	"time"

	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/plugin"
)

// pingEvery is after how long without a write the server of a sink is pinged, and pingOpen
// where the breaker is open and its pause is over.
const (
	pingEvery = 500 * time.Millisecond
	pingOpen  = 10 * time.Millisecond
)

// take takes a batch from the queue. Where this worker has a pinger, it returns no event, and
// ok, when it is time to ping.
func (w *worker) take(batch []queue.Item) (_ []queue.Item, gap *plugin.Gap, ok bool) {
	s := w.sink
	if w.pinger == nil {
		return s.queue.Take(s.taking, batch, s.most)
	}
	within := pingEvery
	if !s.breaker.isClosed() {
		within = pingOpen
	}
	ctx, cancel := context.WithTimeout(s.taking, within)
	defer cancel()
	batch, gap, ok = s.queue.Take(ctx, batch, s.most)
	if !ok && ctx.Err() != nil && s.taking.Err() == nil && !s.queue.Drained() {
		return batch, nil, true
	}
	return batch, gap, ok
}

// ping asks the sink's server whether it is there. So an outage shows although no event comes, and the sink
// is written to as soon as its server is back.
func (w *worker) ping() {
	s := w.sink
	p, ok := s.breaker.tryPing()
	if !ok {
		return
	}
	err := s.call(component.Ping, w.timer, w.pinger.Ping)
	switch {
	case s.writing.Err() != nil, err == nil && !p.probe: // a success says nothing of events that fail
		s.breaker.release(p, noSignal, 0)
	case err == nil:
		s.breaker.release(p, sinkWorks, 0)
		s.Health.Up()
	default:
		if pause := s.breaker.release(p, failureOf(err), s.Options.Retry.asked(err)); pause > 0 {
			s.down(err, pause)
		}
	}
}
