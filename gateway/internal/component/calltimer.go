package component

import (
	"sync/atomic"
	"time"
)

// Method is a method of a plugin whose calls a [CallTimer] watches.
type Method int32

// The methods that are watched.
const (
	Write Method = iota
	Open
	Ping
	Gap
)

// String returns the name of the method.
func (m Method) String() string { return [...]string{"Write", "Open", "Ping", "Gap"}[m] }

// CallGrace is how long after its context has ended a call that a CallTimer watches may take to return.
const CallGrace = 5 * time.Second

// CallTimer reports calls of a plugin that do not return in time (see [Component.Overdue]). It serves
// one goroutine, for one call after the other. A call costs no timer operation: the timer is set once, and looks
// at the present call when it expires.
type CallTimer struct {
	of    *Component
	base  time.Time   // times below are since then
	timer *time.Timer // calls check

	method  atomic.Int32
	overdue atomic.Int64 // nanoseconds: when the present call is overdue; 0: there is none
	set     atomic.Bool  // the timer will expire
}

// NewCallTimer returns a timer for calls of the component's plugin. Stop must be called at the end.
func (c *Component) NewCallTimer() *CallTimer {
	t := &CallTimer{of: c, base: time.Now()}
	t.timer = time.AfterFunc(time.Hour, t.check)
	t.timer.Stop()
	return t
}

// Begin watches a call whose context ends at deadline.
func (t *CallTimer) Begin(m Method, deadline time.Time) {
	t.method.Store(int32(m))
	t.overdue.Store(int64(deadline.Sub(t.base) + CallGrace))
	if t.set.CompareAndSwap(false, true) {
		t.timer.Reset(time.Until(deadline) + CallGrace)
	}
}

// End ends the watch: the call has returned.
func (t *CallTimer) End() { t.overdue.Store(0) }

// Stop releases the timer.
func (t *CallTimer) Stop() { t.timer.Stop() }

// check reports the present call where it is overdue, or sets the timer for it. A call that begins meanwhile sets the
// timer itself, because set is false before check looks at the present one.
func (t *CallTimer) check() {
	t.set.Store(false)
	at := t.overdue.Load()
	left := time.Duration(at) - time.Since(t.base)
	switch {
	case at == 0:
	case left > 0:
		if t.set.CompareAndSwap(false, true) {
			t.timer.Reset(left)
		}
	default:
		method := Method(t.method.Load())
		if t.overdue.CompareAndSwap(at, 0) { // else it has returned meanwhile
			_ = t.of.Overdue(method.String())
		}
	}
}
