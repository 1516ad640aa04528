package delivery

import (
	"context"
	"crypto/rand"
	"time"

	"eventgateway/gateway/plugin"
)

// fillHistory fills the history of the plugin before the first write, if the plugin takes its history from a source. It
// reports whether the workers may run. If filling has failed, it puts a gap before the events that wait.
func (s *Sink) fillHistory() bool {
	s.conn.mu.RLock()
	filled := s.conn.filled
	s.conn.mu.RUnlock()
	if s.Fill == nil || filled {
		return true
	}
	ctx, cancel := context.WithCancel(s.taking)
	defer cancel()
	ended := make(chan struct{})
	go func() { // a sink that is drained waits for no history
		defer close(ended)
		select {
		case <-s.queue.Closed():
			cancel()
		case <-ctx.Done():
		}
	}()
	gap := s.Fill(ctx)
	cancel()
	<-ended
	if s.taking.Err() != nil {
		return false
	}
	s.conn.mu.Lock()
	s.conn.filled = true
	s.conn.mu.Unlock()
	if gap != "" {
		s.queue.PutGapFirst(plugin.Gap{Reason: gap, ID: rand.Text(), Time: time.Now()})
	}
	return true
}
