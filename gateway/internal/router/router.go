package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/leader"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/rcu"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/internal/tracing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Router runs a graph, and replaces it by another while it runs.
type Router struct {
	log          *slog.Logger
	deadLetters  *deadletter.Letters
	terms        *leader.Terms
	replays      rcu.Value[*replayTargets]
	replayShares *replayShares
	edges        stats.Edges
	taps         *tap.Hub
	timeline     *stats.Timeline
	tracing      tracing.Switch
	core         *prometheus.Registry // of the metrics that are derived from Status

	mu        sync.Mutex
	now       *Plan           // the running plan; an empty one before Run
	ctx       context.Context // of Run
	running   bool
	wasReady  bool
	targets   *replayTargets             // that replays has
	takeovers *sync.WaitGroup            // successors that wait for their predecessors
	handovers sync.WaitGroup             // of all reloads
	quiet     chan struct{}              // closed when all that the last reload has removed has ended, and no source uses it
	leaving   map[string]<-chan struct{} // by the names of removed components: closed when they have ended
}

// New returns a router that runs nothing yet.
func New(log *slog.Logger) *Router {
	r := &Router{log: log, terms: leader.NewTerms(), replayShares: newReplayShares(), deadLetters: deadletter.NewLetters(nil), core: prometheus.NewRegistry(), taps: tap.NewHub(), timeline: stats.NewTimeline(), now: &Plan{}, takeovers: &sync.WaitGroup{}, leaving: map[string]<-chan struct{}{}}
	r.targets = newReplayTargets()
	r.replays.Replace(r.targets)
	r.quiet = make(chan struct{})
	close(r.quiet)
	r.core.MustRegister(stats.Collector{Status: r.Status})
	return r
}

// KeepDeadLetters keeps dead letters in a store, and not in memory. It must be called before Plan; the caller opens the store before Run,
// and closes it after Run.
func (r *Router) KeepDeadLetters(s *letters.Store) { r.deadLetters = deadletter.NewLetters(s) }

// Run runs a plan, and those by which Reload replaces it, until ctx ends. Then it drains:
// sources stop first; then sinks deliver the events that wait; after 3/4 of the graph's
// DrainTimeout writes are cancelled and the other events are returned to their sources; then all plugins are
// closed. The error says which components did not stop in time.
func (r *Router) Run(ctx context.Context, p *Plan) error {
	r.mu.Lock()
	r.ctx = ctx
	r.mu.Unlock()
	r.install(p, func() {})
	<-ctx.Done()
	return r.shutdown()
}

func (r *Router) shutdown() error {
	defer r.taps.Close("the gateway stops")
	begin := time.Now()
	r.mu.Lock() // an install under way ends first; none begins after ctx has ended
	p, takeovers, quiet := r.now, r.takeovers, r.quiet
	r.mu.Unlock()
	part := func(sixteenths time.Duration) time.Time { return begin.Add(p.drain * sixteenths / 16) }
	var late []error
	for _, s := range p.sources {
		if !backoff.ClosedBy(s.ended, part(12)) {
			late = append(late, fmt.Errorf("source %s did not stop in time", s.Name))
		}
	}
	p.flushRoutes(part(12), part(13), func(*route) bool { return true })
	endedBy(takeovers, part(12))      // a successor that has started delivers what waits
	backoff.ClosedBy(quiet, part(12)) // removed sinks may park, and removed routes put, in those that stay
	for _, s := range p.sinks {
		if n := s.Status().Waiting(); n > 0 {
			s.Log.Info("draining", "events", n, "at_most", (p.drain * 3 / 4).String())
		}
	}
	p.drainSinks(begin, p.drain, func(*delivery.Sink) bool { return true }, func(s *delivery.Sink, inTime bool) {
		if !inTime {
			s.Log.Error("sink did not stop in time")
		}
	})
	if !endedBy(&r.handovers, part(14)) {
		late = append(late, errors.New("components that a reload has replaced did not stop in time"))
	}
	for _, s := range p.sinks {
		if n := s.Status().Returned; n > 0 {
			s.Log.Error("events not delivered at stop", "events", n, "effect", "those that no source can replay are lost")
		}
		if !s.Ended() {
			late = append(late, fmt.Errorf("sink %s did not stop in time", s.Name))
		}
	}
	r.deadLetters.Flush(part(15)) // before the sources are closed, which wait for acks no longer
	late = append(late, p.close(part(16)))
	return errors.Join(late...)
}

// endedBy waits for wg until t, and reports whether it was done by then.
func endedBy(wg *sync.WaitGroup, t time.Time) bool {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return backoff.ClosedBy(done, t)
}

// Ready returns nil once every source was ready once, or stands by, else an error
// that names those that were not. A source that a reload adds does not change it.
func (r *Router) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wasReady {
		return nil
	}
	if !r.running {
		return errors.New("nothing runs yet")
	}
	var missing []error
	for _, s := range r.now.sources {
		select {
		case <-s.wasReady:
		default:
			missing = append(missing, fmt.Errorf("source %s is not connected yet", s.Name))
		}
	}
	r.wasReady = len(missing) == 0
	return errors.Join(missing...)
}

// WaitReady waits until all sources of the plan were ready once, or ctx ends.
func (p *Plan) WaitReady(ctx context.Context) error { return p.Readiness()(ctx) }

// Readiness returns a function that does what WaitReady does. The function does not hold the
// plan: it may wait long after a reload has replaced that.
func (p *Plan) Readiness() func(ctx context.Context) error {
	names, ready := []string{}, []<-chan struct{}{}
	for _, s := range p.sources {
		names, ready = append(names, s.Name), append(ready, s.wasReady)
	}
	return func(ctx context.Context) error {
		for i := range ready {
			select {
			case <-ready[i]:
			case <-ctx.Done():
				return fmt.Errorf("source %s is not connected yet: %w", names[i], ctx.Err())
			}
		}
		return nil
	}
}

// Status returns the state and the counts of every component.
func (r *Router) Status() stats.Status {
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	st := stats.Status{Sources: []stats.SourceStatus{}, Routes: []stats.RouteStatus{}, Sinks: []stats.SinkStatus{}, Edges: r.edges.Status()}
	if status := r.deadLetters.Collection().Status(); status.Path != "" {
		st.DeadLetterStore = &status
	}
	for _, s := range p.sources {
		st.Sources = append(st.Sources, s.status())
	}
	for _, rt := range p.routes {
		st.Routes = append(st.Routes, rt.status())
	}
	for _, s := range p.sinks {
		st.Sinks = append(st.Sinks, s.Status())
	}
	return st
}

// FullStatus returns Status together with what the plugins count. It calls their collectors.
func (r *Router) FullStatus() stats.Status {
	st := r.Status()
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	for _, s := range p.sources {
		if i := slices.IndexFunc(st.Sources, func(o stats.SourceStatus) bool { return o.Name == s.Name }); i >= 0 {
			st.Sources[i].Plugin = s.AddCounters(nil)
		}
	}
	for _, rt := range p.routes {
		i := slices.IndexFunc(st.Routes, func(o stats.RouteStatus) bool { return o.Name == rt.spec.Name })
		for _, stage := range rt.stages {
			if i >= 0 {
				st.Routes[i].Plugin = stage.AddCounters(st.Routes[i].Plugin)
			}
		}
	}
	for _, s := range p.sinks {
		if i := slices.IndexFunc(st.Sinks, func(o stats.SinkStatus) bool { return o.Name == s.Name }); i >= 0 {
			st.Sinks[i].Plugin = s.AddCounters(nil)
		}
	}
	return st
}

// DeadLetters returns where the events are that could not be delivered and went to no dead-letter sink.
func (r *Router) DeadLetters() letters.Collection { return r.deadLetters.Collection() }

// ProbeSources asks the running sources how things are at their servers, each for timeout at most.
func (r *Router) ProbeSources(ctx context.Context, timeout time.Duration) []Probe {
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	return p.probe(ctx, timeout, nil, true)
}

// Sample returns the state and the counts of every component, and measurements of the plugins of sinks. It calls their collectors.
func (r *Router) Sample() stats.Sample {
	s := stats.Sample{Status: r.Status(), Measures: map[string]stats.SinkMeasures{}}
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	for _, sink := range p.sinks {
		s.Measures[sink.Name] = stats.SinkMeasures{Latency: sink.Latency.Counts(), Clients: sink.Clients()}
	}
	return s
}

// Timeline returns what has happened to the components. Others may add to it.
func (r *Router) Timeline() *stats.Timeline { return r.timeline }

// Taps returns the hub at which viewers look at components.
func (r *Router) Taps() *tap.Hub { return r.taps }

// Gather returns the metrics of the router and of all plugins that run. It is
// part of [prometheus.Gatherer].
func (r *Router) Gather() ([]*dto.MetricFamily, error) {
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	return component.Gather(r.core, p.components())
}
