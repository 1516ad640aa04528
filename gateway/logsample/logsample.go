// Package logsample limits how often a log line repeats, and counts the lines that it leaves out.
package logsample

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Sampler lets the first Burst lines of one kind through, and then one per Interval. The next line has the number of
// suppressed lines in its attribute "suppressed". The zero value lets one line through per second. The fields must not
// change after the first call.
type Sampler struct {
	Interval time.Duration // 0: one second
	Burst    int           // 0: one line

	mu         sync.Mutex
	free       time.Time // when the whole Burst is available again
	suppressed int
}

// Log writes a line to log, or counts it as suppressed. It ignores a line whose level is not enabled.
func (s *Sampler) Log(log *slog.Logger, level slog.Level, text string, attrs ...any) {
	ctx := context.Background()
	if !log.Enabled(ctx, level) {
		return
	}
	suppressed, ok := s.allow(time.Now())
	if !ok {
		return
	}
	if suppressed > 0 {
		attrs = append(attrs[:len(attrs):len(attrs)], "suppressed", suppressed)
	}
	log.Log(ctx, level, text, attrs...)
}

// allow reports whether to log at the time now, and how many lines were suppressed since the last one.
func (s *Sampler) allow(now time.Time) (suppressed int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	interval := s.Interval
	if interval == 0 {
		interval = time.Second
	}
	if s.free.Before(now) {
		s.free = now
	}
	if s.free.Sub(now) > interval*time.Duration(max(s.Burst, 1)-1) {
		s.suppressed++
		return 0, false
	}
	s.free = s.free.Add(interval)
	suppressed, s.suppressed = s.suppressed, 0
	return suppressed, true
}
