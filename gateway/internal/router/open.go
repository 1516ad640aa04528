package router

import (
	"context"
	"errors"
	"sync"

	"eventgateway/gateway/plugin"
)

// connection is whether a sink's plugin is open. A sink that takes over the plugin of its
// predecessor shares it.
type connection struct {
	// mu is held for reading by each call of a plugin that is an Opener, and for writing
	// while it is opened.
	mu   sync.RWMutex
	open bool
}

// open opens the sink, with retries. It reports whether to go on: the sink is open, or disabled.
func (s *sink) open() bool {
	b := s.spec.Delivery.Retry.backoff()
	for {
		err := s.tryOpen()
		if err == nil {
			s.health.up()
			return true
		}
		if s.disabledBy(err) {
			return true
		}
		if s.taking.Err() != nil {
			return false
		}
		pause := b.pause(err)
		s.health.down(err, pause)
		if !s.pause(pause) {
			return false
		}
	}
}

// tryOpen opens the sink where it is not open.
func (s *sink) tryOpen() error {
	if s.opener == nil {
		return nil
	}
	s.connection.mu.Lock()
	defer s.connection.mu.Unlock()
	if s.connection.open {
		return nil
	}
	if err := s.guard("Open", newCallTimer(&s.component), s.opener.Open); err != nil {
		return ofSink(err)
	}
	s.connection.open = true
	return nil
}

// ofSink returns an error of Open as one of the sink, which is never a verdict on events: one that
// no retry can mend disables the sink.
func ofSink(err error) error {
	text := errors.New(err.Error())
	switch {
	case plugin.IsPermanent(err) && !isPanic(err), plugin.IsDisabling(err):
		return plugin.Disabling(text)
	case plugin.IsAway(err):
		return plugin.Away(text)
	}
	return plugin.RetryAfter(text, plugin.RetryDelay(err))
}

// call calls the plugin. It opens it first where an earlier call has found its server away.
func (s *sink) call(method string, late *callTimer, f func(context.Context) error) error {
	if s.opener == nil {
		return s.guard(method, late, f)
	}
	s.connection.mu.RLock()
	for !s.connection.open {
		s.connection.mu.RUnlock()
		if err := s.tryOpen(); err != nil {
			return err
		}
		s.connection.mu.RLock()
	}
	err := s.guard(method, late, f)
	s.connection.mu.RUnlock()
	if plugin.IsAway(err) {
		s.connection.mu.Lock()
		s.connection.open = false
		s.connection.mu.Unlock()
	}
	return err
}
