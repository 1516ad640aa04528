package websocket

import "time"

// Bounds of a sweep: how many topics it visits at once, and how many times as long as the sweep the pause after it is.
const (
	sweepStep  = 256
	sweepPause = 10
)

// sweep visits all topics whenever a quarter of the history is new. It sends position messages, and removes what is
// older than the history. So clients of a filter without matches can resume, and topics without matches keep no frame
// in memory.
type sweep struct {
	next     int    // of the topics; 0: none is under way
	at       uint64 // offset at the begin of the last one
	begun    time.Time
	earliest time.Time   // of the next one
	waiting  bool        // one is due, and run is woken at earliest
	timer    *time.Timer // wakes run for the next one; see [feeder.positionsDue]
}

// sweepTopics visits the next topics if a sweep is due or under way. It reports whether one is under way.
func (f *feeder) sweepTopics() bool {
	s := &f.sweep
	if s.next == 0 {
		quarter := (f.historyTop.next-f.historyTop.first)/4 + 1
		if len(f.list) == 0 || f.matched.Load() < s.at+quarter && !f.positionsDue() {
			return false
		}
		now := time.Now()
		if now.Before(s.earliest) {
			if !s.waiting { // there may be no other event
				s.waiting = true
				time.AfterFunc(s.earliest.Sub(now), f.wake)
			}
			return false
		}
		s.at, s.begun, s.waiting = f.matched.Load(), now, false
	}
	end := min(s.next+sweepStep, len(f.list))
	history := uint64(f.hub.opts.History.Events)
	after := history/4 + 1
	if f.hub.stream.used {
		after = 1
	}
	for _, t := range f.list[min(s.next, end):end] {
		if history > 0 {
			f.sendPosition(t, after)
		}
		f.trim(t)
	}
	if s.next = end; end < len(f.list) {
		return true
	}
	s.next, s.earliest = 0, time.Now().Add(sweepPause*time.Since(s.begun))
	return false
}
