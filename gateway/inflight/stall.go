package inflight

import (
	"fmt"
	"time"

	"eventgateway/gateway/plugin"
)

// StallAfter is how long no event must be settled until a source that waits for that counts as
// stalled.
const StallAfter = time.Minute

// StallDetector finds out whether a source that reads no more, because too many of its events are
// not settled, is merely behind, or stalled. Its methods are not safe for concurrent use.
type StallDetector struct {
	After time.Duration // see StallAfter

	since time.Time // when an event was settled last, or the source began to wait
	done  uint64
	told  bool
}

// Check is called again and again while the source waits for an event to be settled. done is how
// many were, and waiting how many are not.
func (s *StallDetector) Check(out plugin.Output, done uint64, waiting int) {
	switch {
	case s.since.IsZero() || done != s.done:
		s.Clear(out)
		s.since, s.done = time.Now(), done
	case time.Since(s.since) >= s.After:
		s.told = true
		out.SetStalled(fmt.Sprintf("%d events are emitted and not settled (in_flight), and none was settled for a while: correct what their sink says of them, give it a dead_letter, or raise in_flight", waiting))
	}
}

// Clear is called when the source goes on.
func (s *StallDetector) Clear(out plugin.Output) {
	if s.told {
		out.SetStalled("")
	}
	s.since, s.told = time.Time{}, false
}
