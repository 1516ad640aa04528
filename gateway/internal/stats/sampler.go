package stats

import (
	"sync"
	"time"
)

// LogSampler lets one log line through per second, and counts the others.
type LogSampler struct {
	mu         sync.Mutex
	last       time.Time
	suppressed int
}

const logEvery = time.Second

// Allow reports whether to log now, and how many lines were suppressed since the last one.
func (l *LogSampler) Allow() (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.last.IsZero() && now.Sub(l.last) < logEvery {
		l.suppressed++
		return 0, false
	}
	suppressed, l.suppressed, l.last = l.suppressed, 0, now
	return suppressed, true
}
