package delivery

import (
	"context"
	"sync"
	"time"
)

// callContext is the context of one call of a plugin: as [context.WithDeadline] returns it, but it sets a timer only
// where the plugin asks for Done. Many sinks write without waiting for anything, and a context with a timer costs more
// than such a write.
type callContext struct {
	parent   context.Context // without a deadline
	deadline time.Time

	mu     sync.Mutex
	timed  context.Context // made by the first Done
	cancel context.CancelFunc
	ended  bool
}

func newCallContext(parent context.Context, timeout time.Duration) *callContext {
	return &callContext{parent: parent, deadline: time.Now().Add(timeout)}
}

// end cancels the context: the call has returned.
func (c *callContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}

// Deadline is part of [context.Context].
func (c *callContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Value is part of [context.Context].
func (c *callContext) Value(key any) any { return c.parent.Value(key) }

// Done is part of [context.Context].
func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.parent, c.deadline)
		if c.ended {
			c.cancel()
		}
	}
	return c.timed.Done()
}

// Err is part of [context.Context].
func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.timed != nil:
		return c.timed.Err()
	case c.parent.Err() != nil:
		return c.parent.Err()
	case c.ended:
		return context.Canceled
	case !time.Now().Before(c.deadline):
		return context.DeadlineExceeded
	}
	return nil
}
