package router

import "time"

// succeed makes s the successor of old, which has the same name and other options:
// from now on what is put into old goes to s. The goroutines of s start when old
// has handed over.
func (s *sink) succeed(old *sink) {
	s.before = old
	old.successor.Store(s)
	old.queue.move()
}

// takeOver ends the predecessor after the writes under way, takes over what waits
// there, before all that was put since, and the counts, and starts s. Writes that
// are not done at abortAt are cancelled. A plugin that does not let go even then
// keeps its successor from starting: two may not work at once.
func (s *sink) takeOver(abortAt time.Time) {
	old := s.before
	old.halt()
	if !endedBy(old.done, abortAt) {
		s.log.Warn("a write of the sink that is replaced does not end: it is cancelled")
		old.abort()
		<-old.done
	}
	s.inherit(old)
	s.start()
}

func (s *sink) inherit(old *sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old.mu.Lock()
	defer old.mu.Unlock()
	items, gaps, counts := old.queue.handOver()
	s.queue.inherit(items, gaps)
	s.carried, s.before = s.carried.plus(counts).plus(old.carried), nil
	s.retries.Add(old.retries.Swap(0))
	if !s.shared { // else the health is the same
		s.health.inherit(old.health)
	}
}
