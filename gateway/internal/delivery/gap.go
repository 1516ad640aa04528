package delivery

import (
	"context"

	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/plugin"
)

// deliverGap delivers a gap to a sink that takes gaps, with retries. It reports false
// where the sink stops before.
func (w *worker) deliverGap(g plugin.Gap) bool {
	s := w.sink
	if s.gapSink == nil {
		return true
	}
	for {
		p, ok := s.breaker.acquire(s.taking, never)
		if !ok {
			return false
		}
		err := s.call(component.Gap, w.timer, func(ctx context.Context) error { return s.gapSink.Gap(ctx, g) })
		switch {
		case err == nil:
			s.breaker.release(p, sinkWorks, 0)
			s.Health.Up()
			return true
		case s.writing.Err() != nil: // it was cut short
			s.breaker.release(p, noSignal, 0)
			return false
		case plugin.IsPermanent(err): // or a panic
			s.breaker.release(p, sinkWorks, 0)
			s.Health.Failed(err)
			s.Log.Error("gap not delivered", "origin", g.Source, "reason", g.Reason, "error", err)
			return true
		}
		pause := s.breaker.release(p, failureOf(err), s.Options.Retry.asked(err))
		s.reportFailure(err, 0, pause)
	}
}
