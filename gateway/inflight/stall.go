package inflight

import (
	"fmt"
	"time"

	"eventgateway/gateway/plugin"
)

// StallAfter is how long a source that waits for acks counts as slow and not yet as stalled.
const StallAfter = time.Minute

// StallDetector reports a source as stalled that has too many events in flight and gets no acks. Its methods are
// not safe for concurrent use.
type StallDetector struct {
	After time.Duration // usually StallAfter

	since   time.Time // when an event was acked last, or the source began to wait
	acked   uint64
	stalled bool // was reported
}

// Check is called repeatedly while the source waits for acks. acked is how many events were acked in all, and
// inFlight how many were not. If acked does not change for the time After, the source is reported as stalled.
func (s *StallDetector) Check(out plugin.Output, acked uint64, inFlight int) {
	switch {
	case s.since.IsZero() || acked != s.acked:
		s.Clear(out)
		s.since, s.acked = time.Now(), acked
	case time.Since(s.since) >= s.After:
		s.stalled = true
		out.SetStalled(fmt.Sprintf("%d events are in flight, and none was acked for a while: correct the cause that their sink reports, set its dead_letter, or raise in_flight", inFlight))
	}
}

// Clear is called when the source reads again.
func (s *StallDetector) Clear(out plugin.Output) {
	if s.stalled {
		out.SetStalled("")
	}
	s.since, s.stalled = time.Time{}, false
}
