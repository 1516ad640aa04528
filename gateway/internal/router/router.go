package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/plugin"
)

// Router runs a graph, and replaces it by another while it runs.
type Router struct {
	log     *slog.Logger
	letters *deadLetters
	terms   *terms
	edges   edges
	core    *prometheus.Registry // what is derived from Status

	mu        sync.Mutex
	now       *Plan           // what runs; before Run an empty one
	ctx       context.Context // of Run
	running   bool
	wasReady  bool
	takeovers *sync.WaitGroup // successors that wait for their predecessors
	retiring  sync.WaitGroup  // what the reloads so far have replaced or removed
	quiet     chan struct{}   // closed when nobody uses what the last reload has replaced
}

// New returns a router that runs nothing yet.
func New(log *slog.Logger) *Router {
	r := &Router{log: log, terms: newTerms(), letters: &deadLetters{}, core: prometheus.NewRegistry(), now: &Plan{}, takeovers: &sync.WaitGroup{}}
	r.quiet = make(chan struct{})
	close(r.quiet)
	r.core.MustRegister(collector{r})
	return r
}

// Run runs a plan, and what Reload replaces it by, until ctx ends. Then it drains:
// sources stop first; then what waits is delivered; after 3/4 of the graph's
// DrainTimeout writes are cancelled and the rest is given back; then everything is
// closed. The error says what did not stop in time.
func (r *Router) Run(ctx context.Context, p *Plan) error {
	r.mu.Lock()
	r.ctx = ctx
	r.mu.Unlock()
	r.install(p, func() {})
	<-ctx.Done()
	return r.shutdown()
}

func (r *Router) shutdown() error {
	begin := time.Now()
	r.mu.Lock() // an install that is under way ends first; there is none after ctx has ended
	p := r.now
	r.mu.Unlock()
	part := func(sixteenths time.Duration) time.Time { return begin.Add(p.drain * sixteenths / 16) }
	var late []error
	for _, s := range p.sources {
		if !endedBy(s.ended, part(12)) {
			late = append(late, fmt.Errorf("source %s did not stop in time", s.name))
		}
	}
	for _, s := range p.sinks {
		if n := s.status().Waiting(); n > 0 {
			s.log.Info("delivering what waits", "events", n, "at_most", (p.drain * 3 / 4).String())
		}
	}
	for i, layer := range p.layers() {
		var draining sync.WaitGroup
		for _, s := range layer {
			draining.Go(func() {
				if !s.drain(part(min(12+time.Duration(i), 13)), part(14)) {
					s.log.Error("the sink did not stop in time")
				}
			})
		}
		draining.Wait()
	}
	if !finished(&r.retiring, part(14)) {
		late = append(late, errors.New("what was replaced by a reload did not stop in time"))
	}
	for _, s := range p.sinks {
		if n := s.status().Returned; n > 0 {
			s.log.Error("stopped before everything was delivered: what no source can replay is lost", "events", n)
		}
		if s.stop() && !endedBy(s.done, begin) {
			late = append(late, fmt.Errorf("sink %s did not stop in time", s.name))
		}
	}
	late = append(late, p.close(part(16)))
	return errors.Join(late...)
}

// finished waits for wg until t, and says whether that was enough.
func finished(wg *sync.WaitGroup, t time.Time) bool {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return endedBy(done, t)
}

// endedBy waits for done until t, and says whether that was enough.
func endedBy(done <-chan struct{}, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-done:
		return true
	default:
	}
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
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
			missing = append(missing, fmt.Errorf("source %s is not connected yet", s.name))
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
		names, ready = append(names, s.name), append(ready, s.wasReady)
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
func (r *Router) Status() Status {
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	st := Status{Sources: []SourceStatus{}, Routes: []RouteStatus{}, Sinks: []SinkStatus{}, Edges: r.edges.status()}
	for _, s := range p.sources {
		st.Sources = append(st.Sources, s.status())
	}
	for _, rt := range p.routes {
		st.Routes = append(st.Routes, rt.status())
	}
	for _, s := range p.sinks {
		st.Sinks = append(st.Sinks, s.status())
	}
	return st
}

// FullStatus returns Status together with what the plugins count. It calls their collectors.
func (r *Router) FullStatus() Status {
	st := r.Status()
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	for _, s := range p.sources {
		if i := slices.IndexFunc(st.Sources, func(o SourceStatus) bool { return o.Name == s.name }); i >= 0 {
			st.Sources[i].Plugin = s.counters(nil)
		}
	}
	for _, rt := range p.routes {
		i := slices.IndexFunc(st.Routes, func(o RouteStatus) bool { return o.Name == rt.spec.Name })
		for _, stage := range rt.stages {
			if i >= 0 {
				st.Routes[i].Plugin = stage.counters(st.Routes[i].Plugin)
			}
		}
	}
	for _, s := range p.sinks {
		if i := slices.IndexFunc(st.Sinks, func(o SinkStatus) bool { return o.Name == s.name }); i >= 0 {
			st.Sinks[i].Plugin = s.counters(nil)
		}
	}
	return st
}

// DeadLetters returns the latest events that could not be delivered and went to no
// dead-letter sink, the oldest first, and how many there were in all.
func (r *Router) DeadLetters() (latest []DeadLetter, total uint64) { return r.letters.latest() }

var _ plugin.Mounter = (*mounts)(nil)
