package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/plugin"
)

// connection says whether the plugin of a sink is open. A successor with the same plugin shares it.
type connection struct {
	// mu is held for reading by each call of a plugin that is an Opener, and for writing
	// while it is opened.
	mu   sync.RWMutex
	open bool
	// filled is true when the plugin has its history, or goes on without it.
	filled bool
}

// open opens the plugin, with retries. It reports whether the workers may run: the plugin is open, or the sink is disabled.
func (s *Sink) open() bool {
	b := s.Options.Retry.backoff()
	for {
		err := s.TryOpen()
		if err == nil {
			s.Health.Up()
			return true
		}
		if s.disabledBy(err) {
			return true
		}
		if s.taking.Err() != nil {
			return false
		}
		pause := b.Pause(plugin.IsUnavailable(err))
		s.Health.Down(err, pause)
		if !s.pauseOpen(pause) {
			return false
		}
	}
}

// pauseOpen waits for d before the next attempt to open. It reports false where the sink
// is halted, or is drained and has no events.
func (s *Sink) pauseOpen(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for closed := s.queue.Closed(); ; closed = nil {
		select {
		case <-s.taking.Done():
			return false
		case <-t.C:
			return true
		case <-closed:
			if s.queue.Empty() {
				return false
			}
		}
	}
}

// TryOpen opens the plugin where it is not open.
func (s *Sink) TryOpen() error {
	if s.opener == nil {
		return nil
	}
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.conn.open {
		return nil
	}
	timer := s.NewCallTimer()
	defer timer.Stop()
	if err := s.guard(component.Open, timer, s.opener.Open); err != nil {
		return openError(err)
	}
	s.conn.open = true
	return nil
}

// openError returns an error of Open as one of the sink, which says nothing of events: one that
// no retry can mend disables the sink.
func openError(err error) error {
	text := errors.New(err.Error())
	switch {
	case plugin.IsPermanent(err) && !component.IsPanic(err), plugin.IsDisabling(err):
		return plugin.Disabling(text)
	case plugin.IsUnavailable(err):
		return plugin.Unavailable(text)
	}
	return plugin.RetryAfter(text, plugin.RetryDelay(err))
}

// call calls the plugin. It opens it first where an earlier call has found its server unavailable.
func (s *Sink) call(method component.Method, timer *component.CallTimer, f func(context.Context) error) error {
	if s.opener == nil {
		return s.guard(method, timer, f)
	}
	s.conn.mu.RLock()
	for !s.conn.open {
		s.conn.mu.RUnlock()
		if err := s.TryOpen(); err != nil {
			return err
		}
		s.conn.mu.RLock()
	}
	err := s.guard(method, timer, f)
	s.conn.mu.RUnlock()
	if plugin.IsUnavailable(err) {
		s.conn.mu.Lock()
		s.conn.open = false
		s.conn.mu.Unlock()
	}
	return err
}
