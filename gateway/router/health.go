package router

import (
	"log/slog"
	"sync"
	"time"
)

// health keeps the state of a component, and logs its changes: once when it is
// lost, once when it is back.
type health struct {
	log *slog.Logger

	mu     sync.Mutex
	state  Health
	known  bool // whether it was up or down before
	errors uint64
}

func (h *health) up() {
	h.mu.Lock()
	changed := !h.known || !h.state.Up
	if changed {
		h.state.Up, h.state.Since, h.known = true, time.Now(), true
	}
	h.mu.Unlock()
	if changed {
		h.log.Info("up")
	}
}

// down notes a failure; retry is how long until the next attempt.
func (h *health) down(err error, retry time.Duration) {
	h.mu.Lock()
	changed := !h.known || h.state.Up
	if changed {
		h.state.Up, h.state.Since, h.known = false, time.Now(), true
	}
	repeated := !changed && h.state.LastError == err.Error()
	h.state.LastError = err.Error()
	h.errors++
	h.mu.Unlock()
	if repeated { // it is down for the same reason as before
		h.log.Debug("still down", "error", err, "retry_in", retry)
		return
	}
	h.log.Warn("down", "error", err, "retry_in", retry)
}

// note counts a failure that the component survived.
func (h *health) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state.LastError = err.Error()
	h.errors++
}

// stopped notes the end without a failure.
func (h *health) stopped() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state.Up {
		h.state.Up, h.state.Since = false, time.Now()
	}
}

func (h *health) snapshot() (Health, uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state, h.errors
}
