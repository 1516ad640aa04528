package plugintest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/plugin"
)

// Name is the component's name in the suite.
const Name = "conformance"

// Env returns an environment for one instance, for a plugin's own tests.
func Env(t testing.TB) plugin.Env {
	return plugin.Env{
		Name: Name, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Metrics: prometheus.NewRegistry(), HTTP: NewMounter(), State: NewState(),
		Go:  func(f func(context.Context)) { go f(t.Context()) },
		Now: Now, NewID: func() string { return "00000000-0000-4000-8000-000000000001" },
	}
}

// Now returns the fixed time of the suite's clock.
func Now() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC) }

// Mounter is a [plugin.Mounter] that serves the mounted handlers.
type Mounter struct {
	Pages, Upgrades *http.ServeMux
	onLateMount     func() // called if a handler is mounted after Build; nil during Build
}

// NewMounter returns an empty Mounter.
func NewMounter() *Mounter { return &Mounter{Pages: http.NewServeMux(), Upgrades: http.NewServeMux()} }

// Handle is part of [plugin.Mounter].
func (m *Mounter) Handle(pattern string, h http.Handler) error { return m.mount(m.Pages, pattern, h) }

// HandleUpgrade is part of [plugin.Mounter].
func (m *Mounter) HandleUpgrade(pattern string, h http.Handler) error {
	return m.mount(m.Upgrades, pattern, h)
}

func (m *Mounter) mount(on *http.ServeMux, pattern string, h http.Handler) (err error) {
	if m.onLateMount != nil {
		m.onLateMount()
		return fmt.Errorf("%s: mount all handlers in Build", pattern)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	on.Handle(pattern, h)
	return nil
}

// logRecorder records the log lines of an instance.
type logRecorder struct {
	mu     sync.Mutex
	lines  []line
	closed bool // the instance was closed
}

type line struct {
	level      slog.Level
	text       string
	afterClose bool // it was logged after the instance was closed
}

var logLevel = regexp.MustCompile(`level=(\w+)`)

// Write is part of [io.Writer].
func (j *logRecorder) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := line{text: strings.TrimSpace(string(p)), afterClose: j.closed}
	if m := logLevel.FindSubmatch(p); m != nil {
		_ = l.level.UnmarshalText(m[1])
	}
	j.lines = append(j.lines, l)
	return len(p), nil
}

func (j *logRecorder) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
}

func (j *logRecorder) all() []line {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]line(nil), j.lines...)
}

// env returns an environment that checks how the instance uses it. lifetime ends before Close.
// keepsState says whether the type has the capability, and built reports whether Build has returned.
func (c *check) env(kind plugin.Kind, name string, lifetime context.Context, log *logRecorder, keepsState bool, built func() bool) (plugin.Env, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	registerer := &checkedRegisterer{Registerer: prometheus.WrapRegistererWith(prometheus.Labels{string(kind): name}, registry), check: c}
	return plugin.Env{
		Name: name, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics: registerer, HTTP: NewMounter(), Now: Now, State: c.stateOf(kind, name, keepsState, built),
		NewID: func() string { return "00000000-0000-4000-8000-000000000001" },
		Go: func(f func(context.Context)) {
			go func() {
				defer func() {
					if p := recover(); p != nil {
						c.addFinding(rulePanics, "a function of Env.Go panics: %v%s", p, panicLocation(debug.Stack()))
					}
				}()
				f(lifetime)
			}()
		},
	}, registry
}

// clearLabels removes the labels of a goroutine of the suite, which may outlive a rule.
func clearLabels() { pprof.SetGoroutineLabels(context.Background()) }
