package router

import (
	"crypto/rand"
	"time"

	"eventgateway/gateway/plugin"
)

// A source that cannot replay has missed what came while it did not run: before its start,
// between two runs, before a takeover. Its plugin may report that gap and say more; where it
// does not, the router does, so that no such start goes without one.

// beginsReason is the gap before the first run of all.
const beginsReason = "it begins: what came before may have been missed"

// mayHaveMissed reports the gap before a run that is ready now.
func (s *source) mayHaveMissed(gapped bool) {
	s.mu.Lock()
	missed := s.missed
	s.mu.Unlock()
	if !gapped && !s.spec.Type.Has(plugin.Replays) {
		s.gap(missed)
	}
	s.mu.Lock()
	s.missed, s.begins = "", false
	s.mu.Unlock()
}

// hasMissed notes why events may have been missed before the next run is ready.
func (s *source) hasMissed(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missed == "" {
		s.missed = why
	}
}

// gap counts a gap and tells the sinks.
func (s *source) gap(reason string) {
	reason = s.redactor.Text(reason)
	s.mu.Lock()
	s.counts.Gaps++
	begins := s.begins
	if begins {
		s.counts.GapsAtStart++
	}
	s.mu.Unlock()
	if begins { // each start is one: that is no alarm
		s.log.Info("gap at the start", "reason", reason)
	} else {
		s.log.Warn("gap: events may have been missed", "reason", reason)
	}
	s.spread(plugin.Gap{Source: s.name, Reason: reason, ID: rand.Text(), Time: time.Now()})
}

// passOn tells the sinks of a gap that was counted elsewhere.
func (s *source) passOn(g plugin.Gap) {
	g.PassedOnBy, g.Reason = s.name, s.redactor.Text(g.Reason)
	s.mu.Lock()
	s.counts.GapsPassedOn++
	s.mu.Unlock()
	if more, ok := s.quiet.allow(); ok {
		s.log.Warn("gap passed on: events may have been missed elsewhere", "of", g.Source, "reason", g.Reason, "others_since_the_last_line", more)
	}
	s.spread(g)
}

// spread notes a gap in the queue of each sink that the source leads to.
func (s *source) spread(g plugin.Gap) {
	s.wiring.use(func(routes []wired) {
		for _, w := range routes {
			for _, e := range w.to {
				e.sink.gap(g)
			}
		}
	})
}
