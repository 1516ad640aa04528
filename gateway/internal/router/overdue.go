package router

import (
	"fmt"
	"sync"
	"time"
)

// lateGrace is how long after its context has ended a call into a plugin may take to return.
const lateGrace = 5 * time.Second

// callTimer tells of a call into a plugin that does not return in time. It serves one goroutine, for
// one call after the other.
type callTimer struct {
	timer *time.Timer

	mu     sync.Mutex // the timer may run out while the next call begins
	method string
}

func newCallTimer(c *component) *callTimer {
	w := &callTimer{}
	w.timer = time.AfterFunc(time.Hour, func() {
		w.mu.Lock()
		method := w.method
		w.mu.Unlock()
		_ = c.overdue(method)
	})
	w.timer.Stop()
	return w
}

// call begins to watch a call whose context ends after d.
func (w *callTimer) call(method string, d time.Duration) {
	w.mu.Lock()
	w.method = method
	w.mu.Unlock()
	w.timer.Reset(d + lateGrace)
}

// returned ends the watch.
func (w *callTimer) returned() { w.timer.Stop() }

// overdue notes that a call into the plugin has not returned, although it was told to.
func (c *component) overdue(method string) error {
	err := fmt.Errorf("the plugin does not return from %s", method)
	c.health.note(err)
	c.log.Error("plugin does not return", "method", method)
	return err
}
