package router

import (
	"log/slog"
	"regexp"
	"runtime/debug"
	"sync"
	"time"
)

// health keeps the state of a component, and logs its changes: when it is lost
// or fails for another reason, once a minute while it is down, and when it is back.
type health struct {
	log *slog.Logger

	mu    sync.Mutex
	state Health
	known bool // whether it was up or down before

	attempts int       // since it went down
	logged   time.Time // when a failure was last logged
	told     bool      // that it is down
	panics   limiter   // of the log
}

// remindEvery is how often a component that stays down for the same reason is
// logged again.
const remindEvery = time.Minute

func (h *health) up() {
	h.mu.Lock()
	changed := !h.known || !h.state.Up
	wasDown, since, attempts := h.known, h.state.Since, h.attempts
	told := h.told
	if changed {
		h.state.Up, h.state.Since, h.known, h.attempts, h.told = true, time.Now(), true, 0, false
	}
	h.mu.Unlock()
	switch {
	case changed && wasDown && !told: // nobody heard that it was down
	case changed && wasDown:
		h.log.Info("up again", "was_down", time.Since(since).Round(time.Millisecond).String(), "attempts", attempts)
	case changed:
		h.log.Info("up")
	}
}

// down notes a failure; retry is how long until the next attempt. Another reason than the
// last one is logged, too, but not many in a second: a receiver may answer anything.
func (h *health) down(err error, retry time.Duration) {
	h.mu.Lock()
	now := time.Now()
	since := now.Sub(h.logged)
	known := h.told && alike(h.state.LastError, err.Error())
	long := h.state.Up && retry >= logEvery // nobody comes back to say it
	h.lose(err, now)
	tell := long || since >= remindEvery || since >= logEvery && !known
	if tell {
		h.logged, h.told = now, true
	}
	from, attempts := h.state.Since, h.attempts
	h.mu.Unlock()
	if tell {
		h.log.Warn("down, trying again", "error", err, "retry_in", retry.Round(time.Millisecond).String(),
			"down_for", now.Sub(from).Round(time.Millisecond).String(), "attempts", attempts)
	}
}

// localPort is that of the own end of a connection, which is another one each time.
var localPort = regexp.MustCompile(`:\d+->`)

// alike reports whether two reasons are the same to people.
func alike(a, b string) bool {
	return a == b || localPort.ReplaceAllString(a, "") == localPort.ReplaceAllString(b, "")
}

// disabled notes a failure after which nothing is tried again; it is logged elsewhere.
func (h *health) disabled(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lose(err, time.Now())
	h.told = true
}

// lose needs the lock.
func (h *health) lose(err error, now time.Time) {
	if !h.known || h.state.Up {
		h.state.Up, h.state.Since, h.known = false, now, true
	}
	h.state.LastError, h.state.LastErrorAt = err.Error(), &now
	h.state.Errors++
	h.attempts++
}

// note counts a failure that the component survived.
func (h *health) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.state.LastError, h.state.LastErrorAt = err.Error(), &now
	h.state.Errors++
}

// panicked counts a panic of the plugin, and logs it with its stack, but not every
// one of many. It is called by the function that has recovered from it.
func (h *health) panicked(value any) {
	h.mu.Lock()
	h.state.Panics++
	h.mu.Unlock()
	if more, ok := h.panics.allow(); ok {
		h.log.Error("panic", "panic", value, "stack", string(debug.Stack()), "others_since_the_last_line", more)
	}
}

// inherit adds what a predecessor has counted.
func (h *health) inherit(old *health) {
	o := old.snapshot()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state.Errors += o.Errors
	h.state.Panics += o.Panics
	if h.state.LastErrorAt == nil {
		h.state.LastError, h.state.LastErrorAt = o.LastError, o.LastErrorAt
	}
}

// stopped notes the end without a failure.
func (h *health) stopped() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state.Up {
		h.state.Up, h.state.Since = false, time.Now()
	}
}

func (h *health) snapshot() Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}
