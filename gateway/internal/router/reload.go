package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// Reload replaces the running plan by p. It opens the new sinks of p first;
// where one cannot be opened, nothing is changed, p is discarded, and the error says why.
// swap is called at the moment at which p takes over: it swaps what
// belongs to the graph outside of the router. The components that p has replaced or removed end
// in the background, within its DrainTimeout.
func (r *Router) Reload(ctx context.Context, p *Plan, swap func()) error {
	if err := r.prepare(ctx, p); err != nil {
		p.Discard()
		return err
	}
	if !r.install(p, swap) {
		p.Discard()
		return ack.ErrStopping
	}
	return nil
}

// EndingError is the error of a reload that has waited in vain for components of an earlier one to end. It can be repeated when Ended
// is closed.
type EndingError struct{ Ended <-chan struct{} }

func (*EndingError) Error() string {
	return "components that the last reload has replaced or removed have not ended yet: the configuration is loaded again when they have"
}

// prepare opens new sinks, and waits until the successors of an earlier reload have taken over, and removed components
// that come back have ended.
func (r *Router) prepare(ctx context.Context, p *Plan) error {
	var opening sync.WaitGroup
	var mu sync.Mutex
	var problems []error
	for s := range p.newSinks {
		if s.Shares() {
			continue // it is open, or being opened
		}
		opening.Go(func() {
			if err := s.TryOpen(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				problems = append(problems, fmt.Errorf("sinks.%s: %w", s.Name, err))
			}
		})
	}
	stop := context.AfterFunc(ctx, func() {
		for s := range p.newSinks {
			s.Abort()
		}
	})
	opening.Wait()
	if !stop() {
		problems = append(problems, ctx.Err())
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	r.mu.Lock()
	takeovers := r.takeovers
	var leaving []<-chan struct{}
	for _, name := range p.newcomers() {
		if ended := r.leaving[name]; ended != nil {
			leaving = append(leaving, ended)
		}
	}
	r.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		takeovers.Wait()
		for _, before := range leaving {
			<-before
		}
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return ctx.Err()
		}
		return &EndingError{ended}
	case <-time.After(p.drain):
		return &EndingError{ended}
	}
}

// install makes p the running plan, unless the router is about to stop.
func (r *Router) install(p *Plan, swap func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running && r.ctx.Err() != nil {
		return false
	}
	r.running = true
	old, in := r.now, p.installation
	r.now, p.installation = p, installation{}
	var unused []<-chan struct{}
	for box, to := range in.deadLetters {
		if to == nil {
			unused = append(unused, box.SetTarget(nil))
		} else {
			unused = append(unused, box.SetTarget(to))
		}
	}
	for s, before := range in.newSinks {
		if before == nil {
			s.Start()
		} else {
			s.Adopt()
		}
	}
	for rt, to := range in.outputs {
		unused = append(unused, rt.outputs.Replace(to))
	}
	for rt, before := range in.newRoutes {
		rt.succeed(before, r.ctx)
	}
	for _, f := range in.respec {
		f()
	}
	for _, s := range p.sources {
		unused = append(unused, s.wiring.Replace(in.wiring[s]))
	}
	unused = append(unused, r.replays.Replace(in.replays))
	r.targets.replace() // a replay that waits for room goes on with the new ones
	r.targets = in.replays
	swap()
	known := p.names()
	r.taps.Keep(known)
	h := &handover{r: r, old: old, new: p, install: in, number: r.edges.Keep(known), unused: unused, takeovers: &sync.WaitGroup{}}
	before := r.quiet
	r.quiet, r.takeovers = make(chan struct{}), h.takeovers
	maps.DeleteFunc(r.leaving, func(name string, ended <-chan struct{}) bool {
		return known[name] || backoff.ClosedBy(ended, time.Now())
	})
	for name := range old.names() {
		if !known[name] {
			r.leaving[name] = r.quiet
		}
	}
	h.begin(before, r.quiet)
	for s, before := range in.newSources {
		if before == nil {
			r.begin(s)
		}
	}
	return true
}

// begin starts a source.
func (r *Router) begin(s *source) {
	ctx, stop := context.WithCancel(r.ctx)
	s.stop = stop
	go s.supervise(ctx)
}

// names returns the names that edges of the plan have at their ends.
func (p *Plan) names() map[string]bool {
	known := map[string]bool{}
	for _, s := range p.sources {
		known["source "+s.Name] = true
	}
	for _, rt := range p.routes {
		known["route "+rt.spec.Name], known[stats.DeadLettersOf("route", rt.spec.Name)] = true, true
	}
	for _, s := range p.sinks {
		known["sink "+s.Name], known[stats.DeadLettersOf(plugin.KindSink, s.Name)] = true, true
	}
	return known
}

// newcomers returns the names of components that begin with the plan and have no predecessor, as names has them.
func (p *Plan) newcomers() (names []string) {
	for s, before := range p.newSources {
		if before == nil {
			names = append(names, "source "+s.Name)
		}
	}
	for rt, before := range p.newRoutes {
		if before == nil {
			names = append(names, "route "+rt.spec.Name)
		}
	}
	for s, before := range p.newSinks {
		if before == nil {
			names = append(names, "sink "+s.Name)
		}
	}
	return names
}
