package router

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Reload replaces what runs by p. The sinks that p has built are opened first;
// where one cannot be, nothing is touched, p is discarded, and the error says why.
// swap is called at the moment at which p takes over: it is the place to swap what
// belongs to the graph and is not the router's. What p has replaced or removed ends
// in the background, within its DrainTimeout.
func (r *Router) Reload(ctx context.Context, p *Plan, swap func()) error {
	if err := r.prepare(ctx, p); err != nil {
		p.Discard()
		return err
	}
	if !r.install(p, swap) {
		p.Discard()
		return errStopping
	}
	return nil
}

// prepare opens new sinks, and waits until what an earlier reload has replaced has
// made place for its successors.
func (r *Router) prepare(ctx context.Context, p *Plan) error {
	var opening sync.WaitGroup
	var mu sync.Mutex
	var problems []error
	for s := range p.freshSinks {
		if s.shared {
			continue // it is open, or being opened
		}
		opening.Go(func() {
			if err := s.tryOpen(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				problems = append(problems, fmt.Errorf("sinks.%s: %w", s.name, err))
			}
		})
	}
	stop := context.AfterFunc(ctx, func() {
		for s := range p.freshSinks {
			s.abort()
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
	r.mu.Unlock()
	ended := make(chan struct{})
	go func() { takeovers.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(p.drain):
		return errors.New("what the reload before has replaced has not ended yet; try again later")
	}
}

// install makes p what runs, unless the router is about to stop.
func (r *Router) install(p *Plan, swap func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running && r.ctx.Err() != nil {
		return false
	}
	r.running = true
	old, take := r.now, p.takeover
	r.now, p.takeover = p, takeover{}
	var unused []<-chan struct{}
	for box, to := range take.letters {
		unused = append(unused, box.to.replace(to))
	}
	for s, before := range take.freshSinks {
		if before == nil {
			s.start()
		} else {
			s.succeed(before)
		}
	}
	for s, before := range take.freshSources {
		if before != nil {
			s.succeed(before)
		}
	}
	for rt, before := range take.freshRoutes {
		rt.before = before
	}
	for _, f := range take.respec {
		f()
	}
	for _, s := range p.sources {
		unused = append(unused, s.wiring.replace(take.wiring[s]))
	}
	swap()
	t := &retirement{r: r, old: old, new: p, take: take, number: r.edges.keep(p), unused: unused, takeovers: &sync.WaitGroup{}}
	before := r.quiet
	r.quiet, r.takeovers = make(chan struct{}), t.takeovers
	t.begin(before, r.quiet)
	for s, before := range take.freshSources {
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
	go s.run(ctx)
}
