package component

import (
	"sync"
	"time"
)

// CallGrace is how long after its context has ended a call that a CallTimer watches may take to return.
const CallGrace = 5 * time.Second

// CallTimer reports calls of a plugin that do not return in time (see [Component.Overdue]). It serves
// one goroutine, for one call after the other.
type CallTimer struct {
	timer *time.Timer

	mu     sync.Mutex // the timer may expire while the next call begins
	method string
}

// NewCallTimer returns a timer for calls of the component's plugin.
func (c *Component) NewCallTimer() *CallTimer {
	t := &CallTimer{}
	t.timer = time.AfterFunc(time.Hour, func() {
		t.mu.Lock()
		method := t.method
		t.mu.Unlock()
		_ = c.Overdue(method)
	})
	t.timer.Stop()
	return t
}

// Begin watches a call whose context ends after d.
func (t *CallTimer) Begin(method string, d time.Duration) {
	t.mu.Lock()
	t.method = method
	t.mu.Unlock()
	t.timer.Reset(d + CallGrace)
}

// End ends the watch: the call has returned.
func (t *CallTimer) End() { t.timer.Stop() }
