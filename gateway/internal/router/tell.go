package router

import (
	"context"
	"crypto/rand"
	"time"

	"eventgateway/gateway/plugin"
)

// missed notes a gap before what the sink is given next: who reads behind a sink that takes
// gaps does not get what was parked.
func (s *sink) missed(g plugin.Gap) {
	if _, ok := s.impl.(plugin.GapSink); ok {
		g.ID, g.Time = rand.Text(), time.Now()
		s.queue.gapAgain(g)
	}
}

// tell tells a sink that takes gaps of one, again and again until it has it. It says false
// where the sink stops before.
func (w *worker) tell(g plugin.Gap) bool {
	s := w.sink
	to, ok := s.impl.(plugin.GapSink)
	if !ok {
		return true
	}
	for {
		pass, ok := s.breaker.enter(s.taking, no)
		if !ok {
			return false
		}
		err := s.call("Gap", w.late, func(ctx context.Context) error { return to.Gap(ctx, g) })
		switch {
		case err == nil:
			s.breaker.leave(pass, works, 0)
			s.health.up()
			return true
		case s.writing.Err() != nil: // it was cut short
			s.breaker.leave(pass, silent, 0)
			return false
		case plugin.IsPermanent(err): // a panic, too
			s.breaker.leave(pass, works, 0)
			s.health.note(err)
			s.log.Error("a gap could not be passed on", "of", g.Source, "reason", g.Reason, "error", err)
			return true
		}
		pause := s.breaker.leave(pass, failing(err), s.asked(err))
		s.say(judgement{cause: err}, 0, pause)
	}
}
