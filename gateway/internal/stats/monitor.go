package stats

import (
	"errors"
	"log/slog"
	"regexp"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/logsample"
	"eventgateway/gateway/plugin"
)

// Monitor keeps the health of one component, and logs its changes (see outage).
type Monitor struct {
	log *slog.Logger

	timeline  *Timeline // nil: none
	component string    // in the timeline

	mu     sync.Mutex
	state  Health
	known  bool // the component was up or down since it started
	outage outage
	panics logsample.Sampler

	failures []Failure // the latest at the end
}

// NewMonitor returns the Monitor of a component that has not started, and logs to log.
func NewMonitor(log *slog.Logger) *Monitor { return &Monitor{log: log} }

// RecordIn makes the outages of a component part of a timeline. It must be called before the component starts.
func (m *Monitor) RecordIn(t *Timeline, component string) { m.timeline, m.component = t, component }

// Occurred records in the timeline what has happened to the component.
func (m *Monitor) Occurred(kind, level, text string) {
	m.timeline.Add(m.component, kind, level, text)
}

// Up records that the component works: it is connected, or a write has succeeded.
func (m *Monitor) Up() {
	m.mu.Lock()
	m.recovered()
	if m.known && m.state.Up {
		m.mu.Unlock()
		return
	}
	first := !m.known
	m.state.Up, m.state.Since, m.state.Attempts, m.known = true, time.Now(), 0, true
	m.endOutageSoon()
	m.mu.Unlock()
	if first {
		m.log.Info("component up")
	}
}

// Down records a failure after which the component does not work; retry is the pause before the next
// attempt.
func (m *Monitor) Down(err error, retry time.Duration) {
	m.mu.Lock()
	before := m.state
	m.goDown(err)
	begins := !m.outage.logged
	log := m.shouldLog(before, retry)
	reason := m.state.LastError
	duration, attempts := m.outage.duration(), m.outage.attempts
	m.mu.Unlock()
	if log {
		text := "down: "
		if !begins {
			text = "still down: "
		}
		m.Occurred(KindOutage, LevelProblem, text+reason)
		m.log.Warn("component down", append(ErrorAttrs(err), "retry_in", retry.Round(time.Millisecond).String(),
			"down_for", duration, "attempts", attempts)...)
	}
}

// Disabled records a failure after which the component is not used any more. The caller logs it.
func (m *Monitor) Disabled(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.goDown(err)
	m.outage.markLogged(m.state.LastError)
	m.Occurred(KindOutage, LevelProblem, "disabled by its receiver: "+m.state.LastError)
}

// goDown needs the lock.
func (m *Monitor) goDown(err error) {
	now := time.Now()
	if !m.known || m.state.Up {
		m.state.Up, m.state.Since, m.known = false, now, true
	}
	m.fail(err, now)
	m.attemptFailed(now)
	m.state.Attempts = uint64(m.outage.attempts)
}

// Failed counts a failure that the component survives, such as that of a single event.
func (m *Monitor) Failed(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail(err, time.Now())
}

// Recovered records that the component does not fail any more.
func (m *Monitor) Recovered() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recovered()
}

// recovered needs the lock.
func (m *Monitor) recovered() { m.state.Failing, m.state.FailingSince = false, nil }

// fail needs the lock.
func (m *Monitor) fail(err error, now time.Time) {
	if !m.state.Failing {
		m.state.FailingSince = &now
	}
	m.state.Failing, m.state.LastError, m.state.LastErrorAt = true, err.Error(), &now
	m.state.Errors++
	m.countFailure(m.state.LastError, now)
	var p *plugin.PanicError
	if errors.As(err, &p) { // in a goroutine of the plugin, which has returned it
		m.state.Panics++
		m.logPanic(p.Value, p.Stack)
	}
}

// ErrorAttrs returns the attributes of a log line about an error: its text, and the ID of the attempt if it has one.
func ErrorAttrs(err error) []any {
	if id := plugin.AttemptID(err); id != "" {
		return []any{"error", err, "attempt_id", id}
	}
	return []any{"error", err}
}

// localPort matches the port of a connection's own end, which differs each time.
var localPort = regexp.MustCompile(`:\d+->`)

// sameReason reports whether two errors differ at most in a local port.
func sameReason(a, b string) bool {
	return a == b || localPort.ReplaceAllString(a, "") == localPort.ReplaceAllString(b, "")
}

// Panicked counts a panic of the plugin, and logs it with its stack, at most once per second. The
// function that has recovered from the panic calls it.
func (m *Monitor) Panicked(value any) {
	m.mu.Lock()
	m.state.Panics++
	m.mu.Unlock()
	m.logPanic(value, debug.Stack())
}

func (m *Monitor) logPanic(value any, stack []byte) {
	m.panics.Log(m.log, slog.LevelError, "plugin panicked", "panic", value, "stack", string(stack))
}

// Inherit adds the failures that a predecessor of the component has counted.
func (m *Monitor) Inherit(old *Monitor) {
	o, failures := old.Health(), old.Failures()
	slices.Reverse(failures)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inheritFailures(failures)
	m.state.Errors += o.Errors
	m.state.Panics += o.Panics
	if m.state.LastErrorAt == nil {
		m.state.LastError, m.state.LastErrorAt = o.LastError, o.LastErrorAt
	}
}

// Stopped records an end without a failure.
func (m *Monitor) Stopped() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state.Up {
		m.state.Up, m.state.Since = false, time.Now()
	}
	m.endOutage()
}

// Health returns the present state.
func (m *Monitor) Health() Health {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}
