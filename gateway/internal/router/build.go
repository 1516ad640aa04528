package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// Plan is a graph whose components are built: those that are new, beside those
// that run already and have equal options. It does nothing before [Router.Run] or
// [Router.Reload] takes it; a plan that neither takes must be discarded.
type Plan struct {
	sources []*source
	routes  []*route
	sinks   []*sink
	drain   time.Duration
	takeover
}

// takeover is the part of a plan that only its installation needs. The plan runs on without
// it: it holds what was replaced.
type takeover struct {
	wiring  map[*source][]wired
	letters map[*letterbox]*edge

	// fresh are the components that were built for this plan, each with the one
	// that it succeeds, or nil.
	freshSources map[*source]*source
	freshRoutes  map[*route]*route
	freshSinks   map[*sink]*sink
	// respec notes in components that run on what has changed around them.
	respec []func()
}

// BuildError says which component could not be built.
type BuildError struct {
	Kind plugin.Kind
	Name string
	Err  error
}

func (e *BuildError) Error() string { return fmt.Sprintf("%ss.%s: %v", e.Kind, e.Name, e.Err) }
func (e *BuildError) Unwrap() error { return e.Err }

// Plan builds what g has and what does not run yet, without I/O; everything is
// mounted on to. The error joins a *BuildError for each component that could not
// be built.
func (r *Router) Plan(g Graph, to plugin.Mounter) (*Plan, error) {
	r.mu.Lock()
	old := r.now
	r.mu.Unlock()
	b := builder{
		r: r, to: to, old: old, now: g.Now, newID: g.NewID, dryRun: g.DryRun,
		p: &Plan{drain: g.DrainTimeout, takeover: takeover{
			wiring: map[*source][]wired{}, letters: map[*letterbox]*edge{},
			freshSources: map[*source]*source{}, freshRoutes: map[*route]*route{}, freshSinks: map[*sink]*sink{},
		}},
	}
	if b.now == nil {
		b.now = time.Now
	}
	if b.newID == nil {
		b.newID = expr.NewUUID
	}
	reused := b.reuse(g) // first, so that a conflict is the new component's fault
	for i, spec := range g.Sinks {
		b.p.sinks = append(b.p.sinks, b.sink(spec, reused.sinks[i]))
	}
	for i, spec := range g.Sources {
		b.p.sources = append(b.p.sources, b.source(spec, reused.sources[i]))
	}
	for i, spec := range g.Routes {
		b.p.routes = append(b.p.routes, b.route(spec, reused.routes[i]))
	}
	if len(b.problems) == 0 {
		b.wire(g)
	}
	if err := errors.Join(b.problems...); err != nil {
		b.p.Discard()
		return nil, err
	}
	return b.p, nil
}

// builder makes a plan and collects what goes wrong.
type builder struct {
	r        *Router
	to       plugin.Mounter
	old      *Plan
	p        *Plan
	now      func() time.Time
	newID    func() string
	dryRun   bool
	problems []error
}

func (b *builder) sink(spec SinkSpec, same *sink) *sink {
	if same != nil && sameDelivery(spec.Delivery, same.spec.Delivery) {
		b.p.respec = append(b.p.respec, func() { same.respec(spec) })
		return same
	}
	s := &sink{spec: spec, terms: b.r.terms, done: make(chan struct{}), connection: &connection{}}
	b.p.freshSinks[s] = find(b.old.sinks, func(o *sink) bool { return o.name == spec.Name })
	if same != nil {
		s.shared, s.component, s.impl, s.latency, s.connection = true, same.component, same.impl, same.latency, same.connection
	} else {
		s.component = b.r.newComponent(plugin.KindSink, spec.Name, spec.Options, spec.Redactor, b.to)
		impl, err := instantiate(b, &s.component, spec.Type, spec.Options, nil)
		if err != nil {
			b.problems = append(b.problems, err)
			return s
		}
		s.impl, s.latency = impl, newLatency(s.metrics, spec.Name)
	}
	s.most = spec.Delivery.Queue.Batch
	s.opener, _ = s.impl.(plugin.Opener)
	if n, bounded := spec.Type.MaxBatch(); bounded {
		s.most = min(s.most, n)
	}
	s.writing, s.abort = context.WithCancel(context.Background()) // a stop drains it: it ends by itself
	s.taking, s.halt = context.WithCancel(s.writing)
	s.queue, s.breaker = newQueue(spec.Delivery), newBreaker(spec.Delivery)
	s.queue.name = s.name
	s.queue.recall = s.spec.Delivery.Retry.recall
	if n := spec.Delivery.Rate; n > 0 {
		burst := max(n/10, 1) // what a tenth of a second may bring at once
		s.most = min(s.most, burst)
		s.rate = rate.NewLimiter(rate.Limit(n), burst)
	}
	s.letters = b.letterbox(s.component.name, plugin.KindSink)
	return s
}

func (b *builder) source(spec SourceSpec, same *source) *source {
	if same != nil {
		return same
	}
	s := &source{
		component: b.r.newComponent(plugin.KindSource, spec.Name, spec.Options, spec.Redactor, b.to),
		spec:      spec, wasReady: make(chan struct{}), ended: make(chan struct{}),
	}
	b.p.freshSources[s] = find(b.old.sources, func(o *source) bool { return o.name == spec.Name })
	if spec.Capture.Leader != "" {
		s.lead = &leadership{name: spec.Capture.Leader, terms: b.r.terms, state: notLeading}
	}
	impl, err := instantiate(b, &s.component, spec.Type, spec.Options, nil)
	if err != nil {
		b.problems = append(b.problems, err)
	}
	s.impl = impl
	return s
}

func (b *builder) route(spec RouteSpec, same *route) *route {
	if same != nil {
		b.p.respec = append(b.p.respec, func() { same.respec(spec) })
		return same
	}
	rt := &route{spec: spec, health: &health{log: b.r.log.With("route", spec.Name)}, eval: expr.New(b.now, b.newID), letters: b.letterbox(spec.Name, "route")}
	b.p.freshRoutes[rt] = find(b.old.routes, func(o *route) bool { return o.spec.Name == spec.Name })
	for _, t := range spec.Through {
		st := newStage(b.r.newComponent(plugin.KindTransform, t.Name, t.Options, t.Redactor, b.to), t.Failure)
		rt.stages = append(rt.stages, st)
		var err error
		if st.impl, err = instantiate(b, &st.component, t.Type, t.Options, prometheus.Labels{"route": spec.Name}); err != nil {
			b.problems = append(b.problems, err)
		}
	}
	return rt
}

func (b *builder) letterbox(name string, kind plugin.Kind) letterbox {
	return letterbox{
		log: b.r.log.With(string(kind), name), memory: b.r.letters,
		kept: b.r.edges.tally(lettersOf(kind, name), inMemory),
	}
}

// Discard closes what was built for a plan that is not going to run.
func (p *Plan) Discard() {
	soon := time.Now().Add(time.Second)
	for s := range p.freshSinks {
		if !s.shared {
			_ = s.close(soon) // it was never used: there is nothing to lose
		}
	}
	for s := range p.freshSources {
		_ = s.close(soon)
	}
	for rt := range p.freshRoutes {
		_ = rt.close(soon)
	}
}
