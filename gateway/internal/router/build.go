package router

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/leader"
	"eventgateway/gateway/internal/state"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/plugin"
)

// BuildError says which component could not be built.
type BuildError struct {
	Kind plugin.Kind
	Name string
	Err  error
}

// Error names the component and says what is wrong with it.
func (e *BuildError) Error() string { return fmt.Sprintf("%ss.%s: %v", e.Kind, e.Name, e.Err) }

// Unwrap returns what is wrong.
func (e *BuildError) Unwrap() error { return e.Err }

// Plan builds the components of g that do not run yet, without I/O, and mounts all handlers
// on to. The error joins a *BuildError for each component that could not
// be built.
func (r *Router) Plan(g Graph, to plugin.Mounter) (*Plan, error) {
	r.mu.Lock()
	old := r.now
	r.mu.Unlock()
	b := builder{
		r: r, to: to, old: old, clock: component.Clock{Now: g.Now, NewID: g.NewID, DryRun: g.DryRun},
		p: &Plan{drain: g.DrainTimeout, installation: installation{
			wiring: map[*source][]wired{}, deadLetters: map[*deadletter.Box]*edge{}, outputs: map[*route][]*edge{},
			newSources: map[*source]*source{}, newRoutes: map[*route]*route{}, newSinks: map[*delivery.Sink]*delivery.Sink{},
		}},
	}
	if b.clock.Now == nil {
		b.clock.Now = time.Now
	}
	if b.clock.NewID == nil {
		b.clock.NewID = expr.NewUUID
	}
	if b.state = g.State; b.state == nil {
		b.state = state.Memory()
	}
	same := b.diff(g) // first, so that a conflict of handlers is the new component's fault
	for i, spec := range g.Sinks {
		b.p.sinks = append(b.p.sinks, b.sink(spec, same.sinks[i]))
	}
	for i, spec := range g.Sources {
		b.p.sources = append(b.p.sources, b.source(spec, same.sources[i]))
	}
	for i, spec := range g.Routes {
		b.p.routes = append(b.p.routes, b.route(spec, same.routes[i]))
	}
	if len(b.problems) == 0 {
		b.wire(g)
		b.histories(g)
		b.hide(g)
		b.p.replays = b.targets(g)
	}
	if err := errors.Join(b.problems...); err != nil {
		b.p.Discard()
		return nil, err
	}
	return b.p, nil
}

// builder makes a plan, and collects problems.
type builder struct {
	r        *Router
	to       plugin.Mounter
	old      *Plan
	p        *Plan
	clock    component.Clock
	state    state.Store
	problems []error
}

// instantiate builds the plugin of c. of is the scope of its state, and term that of its leadership.
func instantiate[T any](b *builder, c *component.Component, typ plugin.Type[T], opts any, of state.Scope, term state.Term, labels prometheus.Labels) T {
	impl, err := component.Build(c, typ, opts, b.clock, state.Of(b.state, of, term), labels)
	if err != nil {
		b.problems = append(b.problems, &BuildError{c.Kind, c.Name, err})
	}
	return impl
}

func (b *builder) sink(spec SinkSpec, same *delivery.Sink) *delivery.Sink {
	if same != nil && delivery.Same(spec.Delivery, same.Options) {
		b.p.respec = append(b.p.respec, func() { same.Respec(spec.Delivery) })
		return same
	}
	old := find(b.old.sinks, func(s *delivery.Sink) bool { return s.Name == spec.Name })
	cfg := delivery.Config{Type: spec.Type, Options: spec.Delivery, OnFenced: b.r.terms.Report, Tracing: &b.r.tracing, Tap: b.r.taps.Point("sink " + spec.Name)}
	if same != nil {
		cfg.Component, cfg.Impl, cfg.Latency = same.Component, same.Impl, same.Latency
	} else {
		cfg.Component = component.New(b.r.log, plugin.KindSink, spec.Name, spec.Options, spec.Redactor, b.to)
		cfg.Health.RecordIn(b.r.timeline, "sink "+spec.Name)
		cfg.Impl = instantiate(b, cfg.Component, spec.Type, spec.Options, state.SinkScope(spec.Name), state.NoTerm, nil)
		cfg.Latency = stats.NewLatency(cfg.Metrics, spec.Name)
	}
	cfg.PluginOptions = spec.Options
	cfg.DeadLetters = b.deadLetterBox(spec.Name, plugin.KindSink)
	s := delivery.New(cfg, old, same != nil)
	b.p.newSinks[s] = old
	return s
}

func (b *builder) source(spec SourceSpec, same *source) *source {
	if same != nil {
		return same
	}
	s := &source{
		Component: component.New(b.r.log, plugin.KindSource, spec.Name, spec.Options, spec.Redactor, b.to),
		spec:      spec, tracing: &b.r.tracing, tap: b.r.taps.Point("source " + spec.Name), record: &stats.SourceRecord{}, wasReady: make(chan struct{}), ended: make(chan struct{}),
	}
	s.Health.RecordIn(b.r.timeline, "source "+spec.Name)
	old := find(b.old.sources, func(o *source) bool { return o.Name == spec.Name })
	b.p.newSources[s] = old
	if old != nil {
		s.record, s.startGap = old.record, reasonReload
	}
	s.tracker = ack.NewTracker(s.record, s.stalled)
	term := state.NoTerm
	if spec.Capture.Leader != "" {
		s.leadership = leader.New(spec.Capture.Leader, b.r.terms, s.Component)
		term = s.leadership.LatestTerm
	}
	s.impl = instantiate(b, s.Component, spec.Type, spec.Options, state.SourceScope(spec.Name), term, nil)
	return s
}

func (b *builder) route(spec RouteSpec, same *route) *route {
	if same != nil {
		b.p.respec = append(b.p.respec, func() { same.respec(spec) })
		return same
	}
	rt := &route{
		spec: spec, log: b.r.log.With("route", spec.Name), health: stats.NewMonitor(b.r.log.With("route", spec.Name)), record: &stats.RouteRecord{}, tracing: &b.r.tracing,
		eval: expr.NewEvaluator(b.clock.Now, b.clock.NewID), deadLetters: b.deadLetterBox(spec.Name, "route"), tap: b.r.taps.Point("route " + spec.Name),
	}
	old := find(b.old.routes, func(o *route) bool { return o.spec.Name == spec.Name })
	b.p.newRoutes[rt] = old
	if old != nil {
		rt.record = old.record
	}
	for _, t := range spec.Through {
		st := newStage(component.New(b.r.log, plugin.KindTransform, t.Name, t.Options, t.Redactor, b.to), t.Failure)
		rt.stages = append(rt.stages, st)
		labels, scope := prometheus.Labels{"route": spec.Name}, state.TransformScope(spec.Name, t.Name)
		if batch, ok := t.Type.AsBatch(); ok {
			at := len(rt.stages) - 1
			st.windows = newWindows(t.Collect.Window, func() { rt.windowsDue(at) })
			rt.windowed = true
			st.batch = instantiate(b, st.Component, batch, t.Options, scope, state.NoTerm, labels)
		} else {
			st.impl = instantiate(b, st.Component, t.Type, t.Options, scope, state.NoTerm, labels)
		}
	}
	rt.setPolicies()
	return rt
}

func (b *builder) deadLetterBox(name string, kind plugin.Kind) *deadletter.Box {
	box := deadletter.NewBox(b.r.log.With(string(kind), name), string(kind)+" "+name, b.r.deadLetters, b.r.edges.Counter(stats.DeadLettersOf(kind, name), b.r.deadLetters.Name()))
	box.Tap = b.r.taps.Point(tap.DeadLetters)
	return box
}
