package router

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/plugin"
)

// census counts objects that are still in memory, by what they are. It holds none of them.
type census struct {
	mu    sync.Mutex
	alive map[string]func() bool
}

// follow notes an object, by a name that no other has.
func follow[T any](c *census, object *T, format string, args ...any) {
	p := weak.Make(object)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive == nil {
		c.alive = map[string]func() bool{}
	}
	c.alive[fmt.Sprintf(format, args...)] = func() bool { return p.Value() != nil }
}

// rest collects garbage until only what may stay is left, or for a while, and returns what
// else is in memory.
func (c *census) rest(may func(name string) bool) (names []string) {
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		runtime.GC()
		names = nil
		c.mu.Lock()
		for name, alive := range c.alive {
			if !may(name) && alive() {
				names = append(names, name)
			}
		}
		c.mu.Unlock()
		if len(names) == 0 || time.Since(begin) > 5*time.Second {
			return names
		}
	}
}

// weighty is a source, a transform and a sink that has much to hold, and handlers and
// metrics by which it could be held.
type weighty struct {
	history []byte
	stuck   bool // a write takes as long as it may
}

func newWeighty(c *census, kind plugin.Kind, o versioned, env plugin.Env) (*weighty, error) {
	w := &weighty{history: make([]byte, 64<<10)}
	follow(c, w, "%s %s %d: plugin", kind, env.Name, o.Version)
	log := env.Log.With("version", o.Version)
	if err := env.HTTP.Handle(fmt.Sprintf("/%s/%s", kind, env.Name), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { log.Info("asked", "history", len(w.history)) })); err != nil {
		return nil, err
	}
	return w, env.Metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "history_bytes"}, func() float64 { return float64(len(w.history)) }))
}

func (w *weighty) Run(ctx context.Context, out plugin.Output) error {
	out.Ready()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		b := event.Batch{Events: []*event.Event{{Source: "in", Time: time.Now()}}, Ack: ackTo(func(error) { _ = w.history })}
		if err := out.Emit(ctx, b); err != nil {
			return plugin.UnlessDone(ctx, err)
		}
	}
}

func (w *weighty) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	emit(e)
	return nil
}

func (w *weighty) Write(ctx context.Context, _ []*event.Event) error {
	if w.stuck {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (w *weighty) Close(context.Context) error { return nil }

// weightyGraph has components that are of version v, beside those that are always the same,
// and those that the next graph has not.
func weightyGraph(c *census, v int) Graph {
	source := func(name string, v int) SourceSpec {
		t := plugin.NewSource("weighty", "", func() versioned { return versioned{} }, func(o versioned, env plugin.Env) (plugin.Source, error) {
			return newWeighty(c, plugin.KindSource, o, env)
		})
		return SourceSpec{Name: name, Type: t, Options: &versioned{v}}
	}
	sink := func(name string, v int, letters string) SinkSpec {
		t := plugin.NewSink("weighty", "", func() versioned { return versioned{} }, func(o versioned, env plugin.Env) (plugin.Sink, error) {
			return newWeighty(c, plugin.KindSink, o, env)
		})
		d := delivery.DefaultOptions()
		d.DeadLetter = letters
		return SinkSpec{Name: name, Type: t, Options: &versioned{v}, Delivery: d}
	}
	transform := func(name string, v int) TransformSpec {
		t := plugin.NewTransform("weighty", "", func() versioned { return versioned{} }, func(o versioned, env plugin.Env) (plugin.Transform, error) {
			return newWeighty(c, plugin.KindTransform, o, env)
		})
		return TransformSpec{Name: name, Type: t, Options: &versioned{v}}
	}
	tried := sink("tried", 0, "") // its plugin stays, and the router's part does not
	tried.Delivery.Retry.Attempts = v + 1
	brief := fmt.Sprintf("brief_%d", v)
	return Graph{
		Sources: []SourceSpec{source("in", v), source("steady", 0), source(brief, v)},
		Sinks:   []SinkSpec{sink("out", v, ""), sink("kept", 0, "out"), tried, sink(brief, v, "out")},
		Routes: []RouteSpec{
			{Name: "changes", From: []string{"in", "steady"}, Through: []TransformSpec{transform("changing", v)}, To: []string{"out", "kept"}, DeadLetter: "out"},
			{Name: "stays", From: []string{"in", "steady", brief}, Through: []TransformSpec{transform("staying", 0)}, To: []string{"out", "tried", brief}, DeadLetter: "out"},
		},
		DrainTimeout: 10 * time.Second,
	}
}

// mounted is a plugin.Mounter that holds the handlers.
type mounted struct{ handlers map[string]http.Handler }

func (m *mounted) Handle(pattern string, h http.Handler) error {
	m.handlers[pattern] = h
	return nil
}

func (m *mounted) HandleUpgrade(pattern string, h http.Handler) error { return m.Handle(pattern, h) }

// planWeighty plans version v, and follows all that there is of it.
func planWeighty(t *testing.T, r *Router, c *census, v int) (*Plan, *mounted) {
	t.Helper()
	to := &mounted{map[string]http.Handler{}}
	p, err := r.Plan(weightyGraph(c, v), to)
	if err != nil {
		t.Fatal(err)
	}
	follow(c, p, "plan %d", v)
	follow(c, to, "table %d", v)
	for s := range p.newSources {
		follow(c, s, "source %s %d", s.Name, v)
	}
	for s := range p.newSinks {
		follow(c, s, "sink %s %d", s.Name, v)
	}
	for rt := range p.newRoutes {
		follow(c, rt, "route %s %d", rt.spec.Name, v)
	}
	return p, to
}

// TestReloadsLetGo: of what reloads have replaced or removed nothing stays in memory: no plugin,
// no part of the router, no table of handlers. It could be held by what runs on, by what
// succeeds it, or by the first graph.
func TestReloadsLetGo(t *testing.T) {
	const reloads = 5
	r, c := newRouter(t), &census{}
	first, _ := planWeighty(t, r, c, 0)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func(p *Plan) { ended <- r.Run(ctx, p) }(first)
	first = nil
	awaitRunning(r)
	var serves *mounted
	for v := 1; v <= reloads; v++ {
		unused, _ := planWeighty(t, r, c, 100+v) // as of a reload that fails
		unused.Discard()
		p, to := planWeighty(t, r, c, v)
		if err := r.Reload(t.Context(), p, func() { serves = to }); err != nil {
			t.Fatal(err)
		}
	}
	latest := fmt.Sprint(" ", reloads)
	runsOn := []string{"source steady 0", "sink kept 0", "sink tried 0: plugin", "route stays 0", "transform staying 0"}
	if left := c.rest(func(name string) bool {
		for _, what := range runsOn {
			if strings.HasPrefix(name, what) {
				return true
			}
		}
		return strings.Contains(name, latest) || strings.Contains(name, fmt.Sprint("_", reloads))
	}); len(left) > 0 {
		t.Errorf("still in memory: %q", left)
	}
	if len(serves.handlers) == 0 {
		t.Error("nothing is served")
	}
	if err := r.Status().Conserved(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestEventsThatWaitHoldNoGraph: events of a source that was replaced wait in a sink that takes
// nothing. They hold their source, which is to be told, and nothing else of its graph.
func TestEventsThatWaitHoldNoGraph(t *testing.T) {
	r, c := newRouter(t), &census{}
	stuck := plugin.NewSink("stuck", "", func() versioned { return versioned{} }, func(o versioned, env plugin.Env) (plugin.Sink, error) {
		w, err := newWeighty(c, plugin.KindSink, o, env)
		if err == nil {
			w.stuck = true
		}
		return w, err
	})
	plan := func(v int) *Plan {
		g := weightyGraph(c, v)
		g.Sinks[1].Type, g.DrainTimeout = stuck, 200*time.Millisecond
		p, err := r.Plan(g, &mounted{map[string]http.Handler{}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func(p *Plan) { ended <- r.Run(ctx, p) }(plan(0))
	awaitRunning(r)
	for r.Status().Sinks[1].Writing == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := r.Reload(t.Context(), plan(1), func() {}); err != nil {
		t.Error(err)
	}
	old := func(name string) bool {
		return strings.HasPrefix(name, "sink out") || strings.HasPrefix(name, "transform changing")
	}
	if left := c.rest(func(name string) bool { return !old(name) || strings.Contains(name, " 1") }); len(left) > 0 {
		t.Errorf("still in memory: %q", left)
	}
	if s := r.Status().Sinks[1]; s.Waiting() == 0 {
		t.Errorf("nothing waits: %+v", s)
	}
	cancel()
	<-ended // the stuck sink is cut off
}
