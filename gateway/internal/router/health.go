package router

import (
	"log/slog"
	"regexp"
	"runtime/debug"
	"sync"
	"time"
)

// health keeps the state of a component, and has its changes logged: see outage.
type health struct {
	log *slog.Logger

	mu     sync.Mutex
	state  Health
	known  bool // whether it was up or down before
	outage outage
	panics limiter // of the log

	unexported limiter // of the log, for metrics that are left out
}

// up notes that the component works: it is connected, or a write has succeeded.
func (h *health) up() {
	h.mu.Lock()
	h.state.Failing = false
	if h.known && h.state.Up {
		h.mu.Unlock()
		return
	}
	first := !h.known
	h.state.Up, h.state.Since, h.state.Attempts, h.known = true, time.Now(), 0, true
	h.settles()
	h.mu.Unlock()
	if first {
		h.log.Info("up")
	}
}

// down notes a failure; retry is how long until the next attempt.
func (h *health) down(err error, retry time.Duration) {
	h.mu.Lock()
	was := h.state
	h.lose(err)
	tell := h.tells(was, retry)
	lasts, attempts := h.outage.lasts(), h.outage.attempts
	h.mu.Unlock()
	if tell {
		h.log.Warn("down, trying again", "error", err, "retry_in", retry.Round(time.Millisecond).String(),
			"down_for", lasts, "attempts", attempts)
	}
}

// disabled notes a failure after which no write is tried again; it is logged elsewhere.
func (h *health) disabled(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lose(err)
	h.outage.says(h.state.LastError)
}

// lose needs the lock.
func (h *health) lose(err error) {
	now := time.Now()
	if !h.known || h.state.Up {
		h.state.Up, h.state.Since, h.known = false, now, true
	}
	h.fail(err, now)
	h.lasts(now)
	h.state.Attempts = uint64(h.outage.attempts)
}

// note counts a failure that the component survived: of an event, and not of all.
func (h *health) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fail(err, time.Now())
}

// works notes that the component does not fail any more.
func (h *health) works() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state.Failing = false
}

// fail needs the lock.
func (h *health) fail(err error, now time.Time) {
	h.state.Failing, h.state.LastError, h.state.LastErrorAt = true, err.Error(), &now
	h.state.Errors++
}

// localPort is that of the own end of a connection, which is another one each time.
var localPort = regexp.MustCompile(`:\d+->`)

// alike reports whether two reasons are the same to people.
func alike(a, b string) bool {
	return a == b || localPort.ReplaceAllString(a, "") == localPort.ReplaceAllString(b, "")
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
	h.over()
}

func (h *health) snapshot() Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}
