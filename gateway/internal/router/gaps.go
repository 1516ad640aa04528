package router

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// A source that cannot replay has missed the events of the time in which it did not run: before its start,
// between two runs, before a takeover. Its plugin may report that gap and say more. Where it
// does not, the router reports it, so that no such start is without a gap.

// Reasons of gaps that the router reports.
const (
	reasonStart    = "the source starts: earlier events may have been missed"
	reasonRestart  = "the source starts again: events since its last run may have been missed"
	reasonReload   = "the source was reconfigured: events since its last run may have been missed"
	reasonTakeover = "the leadership was taken over: events before that may have been missed"
)

// reportStartGap reports the gap before a run that is ready now, unless the plugin has done so.
func (s *source) reportStartGap(reported bool) {
	s.mu.Lock()
	reason := s.startGap
	s.mu.Unlock()
	typ, opts := s.spec.Type, s.spec.Options
	if !reported && !typ.HasWith(opts, plugin.Replays) && !typ.HasWith(opts, plugin.AnswersSenders) {
		s.gap(reason)
	}
	s.mu.Lock()
	s.startGap, s.firstStart = "", false
	s.mu.Unlock()
}

// setStartGap records why events may have been missed before the next run is ready.
func (s *source) setStartGap(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.startGap == "" {
		s.startGap = reason
	}
}

// gap counts a gap and puts it into the queues of the sinks.
func (s *source) gap(reason string) {
	reason = s.Redactor.Text(reason)
	s.mu.Lock()
	atStart := s.firstStart
	s.mu.Unlock()
	s.record.Gap(atStart)
	if atStart { // every start has one, so it is no warning
		s.Health.Occurred(stats.KindGap, stats.LevelInfo, "at the start: "+reason)
		s.Log.Info("gap at start", "reason", reason)
	} else {
		s.Health.Occurred(stats.KindGap, stats.LevelProblem, reason)
		s.Log.Warn("gap", "reason", reason)
	}
	s.putGap(plugin.Gap{Source: s.Name, Reason: reason, ID: rand.Text(), Time: time.Now()})
}

// passOn puts a gap that was counted elsewhere into the queues of the sinks.
func (s *source) passOn(g plugin.Gap) {
	g.ForwardedBy, g.Reason = s.Name, s.Redactor.Text(g.Reason)
	s.record.GapPassedOn()
	s.Health.Occurred(stats.KindGap, stats.LevelProblem, fmt.Sprintf("passed on from %s: %s", g.Source, g.Reason))
	s.passedOn.Log(s.Log, slog.LevelWarn, "gap passed on", "origin", g.Source, "reason", g.Reason)
	s.putGap(g)
}

// putGap puts a gap into the queue of each sink that the source leads to, behind the events that wait in
// windows of the routes.
func (s *source) putGap(g plugin.Gap) {
	s.wiring.Use(func(routes []wired) {
		for _, w := range routes {
			if ctx := w.route.ctx; ctx.Err() == nil {
				w.route.flush(ctx, s.tracker)
			}
			for _, e := range w.to {
				e.sink.Queue().PutGap(g)
			}
		}
	})
}
