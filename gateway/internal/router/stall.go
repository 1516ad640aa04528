package router

import (
	"fmt"
	"sync"
	"time"

	"eventgateway/gateway/internal/stats"
)

// stall records whether a source is stalled: it reads no more because of events in flight.
type stall struct {
	mu     sync.Mutex
	state  *stats.StallStatus // nil: it is not
	logged time.Time
}

// stalled records why the source reads no more; "" says that it does. It logs the begin, a reminder every ten minutes,
// and the end.
func (s *source) stalled(reason string) {
	s.stall.mu.Lock()
	before, now := s.stall.state, time.Now()
	if before == nil && reason == "" {
		s.stall.mu.Unlock()
		return
	}
	log := now.Sub(s.stall.logged) >= stats.RemindEvery
	switch {
	case reason == "":
		s.stall.state, s.stall.logged = nil, time.Time{}
	case before == nil:
		s.stall.state = &stats.StallStatus{Since: now, Reason: reason}
		log = true
	default:
		s.stall.state = &stats.StallStatus{Since: before.Since, Reason: reason}
	}
	if log && reason != "" {
		s.stall.logged = now
	}
	state := s.stall.state
	s.stall.mu.Unlock()
	switch {
	case state == nil:
		s.Health.Occurred(stats.KindStall, stats.LevelRecovery, fmt.Sprintf("reads again after %v", now.Sub(before.Since).Round(time.Millisecond)))
		s.Log.Info("source resumed", "stalled_for", now.Sub(before.Since).Round(time.Millisecond).String())
	case log:
		s.Health.Occurred(stats.KindStall, stats.LevelProblem, "stalled: "+reason)
		s.Log.Warn("source stalled", "reason", reason, "stalled_for", now.Sub(state.Since).Round(time.Millisecond).String())
	}
}

func (st *stall) status() *stats.StallStatus {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.state
}
