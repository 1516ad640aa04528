package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/plugin"
)

// Deps is what a router needs from outside.
type Deps struct {
	Log     *slog.Logger
	Metrics prometheus.Registerer
	HTTP    plugin.Mounter
	// DrainTimeout is how long Run may take once its ctx ended.
	DrainTimeout time.Duration
}

// Router runs one graph, once.
type Router struct {
	deps    Deps
	sources []*source
	routes  []*route
	sinks   []*sink
	closers []closer // sinks, then transforms
	letters *deadLetters
}

type closer struct {
	name string
	impl plugin.Closer
}

// BuildError says which component could not be built.
type BuildError struct {
	Kind plugin.Kind
	Name string
	Err  error
}

func (e *BuildError) Error() string { return fmt.Sprintf("%ss.%s: %v", e.Kind, e.Name, e.Err) }
func (e *BuildError) Unwrap() error { return e.Err }

// New builds every component of g, without I/O. The error joins a *BuildError
// for each component that could not be built.
func New(g Graph, deps Deps) (*Router, error) {
	r := &Router{deps: deps, letters: &deadLetters{log: deps.Log}}
	b := builder{r: r, sinks: map[string]*sink{}, sources: map[string]*source{}}
	m := newMetrics(r)
	for _, spec := range g.Sinks {
		b.sink(spec, m)
	}
	for _, spec := range g.Sources {
		b.source(spec)
	}
	for _, spec := range g.Routes {
		b.route(spec)
	}
	if err := errors.Join(b.problems...); err != nil {
		return nil, err
	}
	return r, m.register(deps.Metrics)
}

// Run runs the graph until ctx ends, and then drains it: sources stop first,
// then what waits is delivered; after 3/4 of DrainTimeout writes are cancelled
// and the rest is given back; then everything is closed. The error says what
// did not stop in time.
func (r *Router) Run(ctx context.Context) error {
	writing, cancelWrites := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelWrites()
	var sources, sinks sync.WaitGroup
	for _, s := range r.sinks {
		sinks.Go(func() { s.run(writing) })
	}
	for _, s := range r.sources {
		sources.Go(func() { s.run(ctx) })
	}
	<-ctx.Done()

	deadline := time.Now().Add(r.deps.DrainTimeout)
	var late []error
	if !finished(&sources, time.Until(deadline)*3/4) {
		late = append(late, errors.New("a source did not stop in time"))
	}
	for _, s := range r.sinks {
		if c := s.queue.snapshot(); c.Queued+c.Writing > 0 {
			s.log.Info("delivering what waits", "events", c.Queued+c.Writing, "at_most", (r.deps.DrainTimeout * 3 / 4).String())
		}
		s.queue.close()
	}
	if !finished(&sinks, time.Until(deadline)-r.deps.DrainTimeout/4) {
		cancelWrites()
		if !finished(&sinks, time.Until(deadline)) {
			late = append(late, errors.New("a sink did not stop in time"))
		}
	}
	for _, s := range r.sinks {
		if n := s.queue.snapshot().Returned; n > 0 {
			s.log.Error("stopped before everything was delivered: what no source can replay is lost", "events", n)
		}
	}
	closing, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	for _, c := range r.closers {
		if err := c.impl.Close(closing); err != nil {
			late = append(late, fmt.Errorf("closing %s: %w", c.name, err))
		}
	}
	return errors.Join(late...)
}

// finished waits for wg, at most for d.
func finished(wg *sync.WaitGroup, d time.Duration) bool {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// Ready returns nil once every source was ready once, else an error that names
// those that were not.
func (r *Router) Ready() error {
	var missing []error
	for _, s := range r.sources {
		select {
		case <-s.wasReady:
		default:
			missing = append(missing, fmt.Errorf("source %s is not connected yet", s.spec.Name))
		}
	}
	return errors.Join(missing...)
}

// WaitReady waits until Ready would return nil, or ctx ends.
func (r *Router) WaitReady(ctx context.Context) error {
	for _, s := range r.sources {
		select {
		case <-s.wasReady:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), r.Ready())
		}
	}
	return nil
}

// Status returns the state and the counts of every component.
func (r *Router) Status() Status {
	st := Status{Sources: []SourceStatus{}, Routes: []RouteStatus{}, Sinks: []SinkStatus{}}
	for _, s := range r.sources {
		st.Sources = append(st.Sources, s.status())
	}
	for _, rt := range r.routes {
		st.Routes = append(st.Routes, rt.status())
	}
	for _, s := range r.sinks {
		st.Sinks = append(st.Sinks, s.status())
	}
	return st
}

// Probe is the findings about one component.
type Probe struct {
	Kind     plugin.Kind
	Name     string
	Findings []plugin.Finding
}

// Probe asks every source and sink that can tell how things are where it
// connects to. It is called instead of Run.
func (r *Router) Probe(ctx context.Context) []Probe {
	var out []Probe
	probe := func(kind plugin.Kind, name string, impl any) {
		if p, ok := impl.(plugin.Prober); ok {
			out = append(out, Probe{kind, name, p.Probe(ctx)})
		}
	}
	for _, s := range r.sources {
		probe(plugin.KindSource, s.spec.Name, s.impl)
	}
	for _, s := range r.sinks {
		probe(plugin.KindSink, s.spec.Name, s.impl)
	}
	return out
}

// DeadLetters returns the latest events that could not be delivered.
func (r *Router) DeadLetters() []DeadLetter { return r.letters.latest() }
