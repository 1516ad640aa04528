package router

import (
	"fmt"
	"sync"
	"time"
)

// stallAfter is how long a queue must be full, with nothing of it settled, until a source
// that waits for room in it counts as stalled.
const stallAfter = time.Minute

// StallStatus says since when a source reads no more, because of events that are not settled, and
// why.
type StallStatus struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// stall is whether a source is stalled.
type stall struct {
	mu     sync.Mutex
	state  *StallStatus // nil: it is not
	logged time.Time
}

// stalled notes that the source reads no more, or with "" that it does. It logs at the begin, once a minute after that, and at
// the end.
func (s *source) stalled(reason string) {
	s.stall.mu.Lock()
	was, now := s.stall.state, time.Now()
	if was == nil && reason == "" {
		s.stall.mu.Unlock()
		return
	}
	tell := now.Sub(s.stall.logged) >= remindEvery
	switch {
	case reason == "":
		s.stall.state, s.stall.logged = nil, time.Time{}
	case was == nil:
		s.stall.state = &StallStatus{now, reason}
		tell = true
	default:
		s.stall.state = &StallStatus{was.Since, reason}
	}
	if tell && reason != "" {
		s.stall.logged = now
	}
	state := s.stall.state
	s.stall.mu.Unlock()
	switch {
	case state == nil:
		s.log.Info("source reads again", "stalled_for", now.Sub(was.Since).Round(time.Millisecond).String())
	case tell:
		s.log.Warn("source stalled", "reason", reason, "stalled_for", now.Sub(state.Since).Round(time.Millisecond).String())
	}
}

func (st *stall) status() *StallStatus {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.state
}

// watch is a look at a full queue for which a source waits that can replay, and so waits without
// end. The queue's lock is held for all but due.
type watch struct {
	queue   *queue
	of      *source // nil: none looks
	every   *time.Ticker
	settled uint64
	told    bool
}

func (q *queue) watch(r *receipt) watch {
	if r == nil || r.of == nil {
		return watch{}
	}
	return watch{queue: q, of: r.of, every: time.NewTicker(q.stallAfter), settled: q.progress()}
}

// due is when to look.
func (w *watch) due() <-chan time.Time {
	if w.of == nil {
		return nil
	}
	return w.every.C
}

// look tells the source that it is stalled where nothing was settled since the last look.
func (w *watch) look() {
	q := w.queue
	settled := q.progress()
	switch {
	case settled == w.settled:
		w.of.stalled(fmt.Sprintf("the queue of the sink %s is full, and nothing of it is settled: %d events wait for their next attempt, and %d behind one of their key; "+
			"correct what the receiver says of them, give the sink a dead_letter, or raise its queue.size and queue.bytes", q.name, q.aside, q.passed))
		w.told = true
	case w.told:
		w.of.stalled("")
		w.told = false
	}
	w.settled = settled
}

func (w *watch) end() {
	if w.of == nil {
		return
	}
	w.every.Stop()
	if w.told {
		w.of.stalled("")
	}
}

// progress is how many events the queue has settled, in any way.
func (q *queue) progress() (n uint64) {
	n = q.counts.Delivered + q.counts.DeadLettered + q.counts.Returned
	for _, dropped := range q.counts.Dropped {
		n += dropped
	}
	return n
}
