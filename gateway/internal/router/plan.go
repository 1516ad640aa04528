package router

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/plugin"
)

// Plan is a graph whose components are built: new ones, and those that run already with equal options. It does nothing
// before [Router.Run] or [Router.Reload] installs it. A plan that neither installs must be discarded.
type Plan struct {
	sources []*source
	routes  []*route
	sinks   []*delivery.Sink
	drain   time.Duration
	// histories are the IDs of the histories that sinks take from their sources, by sink.
	histories map[string]string
	installation
}

// installation is the part of a plan that only its installation needs. A plan that runs does not have it, because it refers to
// components that were replaced.
type installation struct {
	wiring      map[*source][]wired
	deadLetters map[*deadletter.Box]*edge
	outputs     map[*route][]*edge // of routes with windows
	replays     *replayTargets

	// The components that were built for this plan, each with its predecessor, or nil.
	newSources map[*source]*source
	newRoutes  map[*route]*route
	newSinks   map[*delivery.Sink]*delivery.Sink
	// respec notes in components that run on what has changed around them.
	respec []func()
}

// Discard closes the components that were built for a plan which is not installed.
func (p *Plan) Discard() {
	soon := time.Now().Add(time.Second)
	for s := range p.newSinks {
		if !s.Shares() {
			_ = s.Close(soon) // it was never used, so nothing is lost
		}
	}
	for s := range p.newSources {
		_ = s.Close(soon)
	}
	for rt := range p.newRoutes {
		_ = rt.close(soon)
	}
}

// components returns all components of the plan.
func (p *Plan) components() (all []*component.Component) {
	for _, s := range p.sources {
		all = append(all, s.Component)
	}
	for _, rt := range p.routes {
		for _, st := range rt.stages {
			all = append(all, st.Component)
		}
	}
	for _, s := range p.sinks {
		all = append(all, s.Component)
	}
	return all
}

// layers orders the sinks for a stop: first those that get no dead letters,
// then those to which these park, and so on.
func (p *Plan) layers() (layers [][]*delivery.Sink) {
	depth := map[string]int{}
	for range p.sinks { // a chain is no longer than that
		for _, s := range p.sinks {
			if to := s.Status().DeadLetter; to != "" {
				depth[to] = min(max(depth[to], depth[s.Name]+1), len(p.sinks)-1)
			}
		}
	}
	for _, s := range p.sinks {
		for len(layers) <= depth[s.Name] {
			layers = append(layers, nil)
		}
		layers[depth[s.Name]] = append(layers[depth[s.Name]], s)
	}
	return layers
}

// drainSinks drains those sinks of which drains says so, layer by layer: within 3/4 of the time for a stop that has
// begun at begin, and a bit more for those to which others park. ended is called with each of them.
func (p *Plan) drainSinks(begin time.Time, total time.Duration, drains func(*delivery.Sink) bool, ended func(s *delivery.Sink, inTime bool)) {
	part := func(sixteenths int) time.Time { return begin.Add(total * time.Duration(sixteenths) / 16) }
	for i, layer := range p.layers() {
		var draining sync.WaitGroup
		for _, s := range layer {
			if drains(s) {
				draining.Go(func() { ended(s, s.Drain(part(min(12+i, 13)), part(14))) })
			}
		}
		draining.Wait()
	}
}

// flushRoutes flushes the windows of those routes of which flushes says so, each apart: a sink that holds up one of them
// does not hold up another.
func (p *Plan) flushRoutes(abortAt, deadline time.Time, flushes func(*route) bool) {
	var flushing sync.WaitGroup
	for _, rt := range p.routes {
		if flushes(rt) {
			flushing.Go(func() { rt.flushBy(abortAt, deadline) })
		}
	}
	flushing.Wait()
}

// close closes all plugins of a plan that has run: sources first, which may store how far they were acked.
func (p *Plan) close(deadline time.Time) error {
	var err error
	for _, s := range p.sources {
		err = errors.Join(err, s.Close(deadline))
	}
	for _, s := range p.sinks {
		err = errors.Join(err, s.Close(deadline))
	}
	for _, rt := range p.routes {
		err = errors.Join(err, rt.close(deadline))
	}
	return err
}

// Probe is the findings about one component.
type Probe struct {
	Kind     plugin.Kind
	Name     string
	Findings []plugin.Finding
}

// Probe asks every component that is a [plugin.Prober] how things are where it
// connects to, one after the other, each for timeout at most. The plan need not run.
// skip lists components to leave out: "sinks.bus".
func (p *Plan) Probe(ctx context.Context, timeout time.Duration, skip []string) []Probe {
	return p.probe(ctx, timeout, skip, false)
}

func (p *Plan) probe(ctx context.Context, timeout time.Duration, skip []string, onlySources bool) []Probe {
	var out []Probe
	probe := func(c *component.Component, impl any) {
		if p, ok := impl.(plugin.Prober); ok && !slices.Contains(skip, string(c.Kind)+"s."+c.Name) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			out = append(out, Probe{c.Kind, c.Name, c.Probe(ctx, p)})
			cancel()
		}
	}
	for _, s := range p.sources {
		probe(s.Component, s.impl)
	}
	if onlySources {
		return out
	}
	for _, rt := range p.routes {
		for _, st := range rt.stages {
			probe(st.Component, st.plugin())
		}
	}
	for _, s := range p.sinks {
		probe(s.Component, s.Impl)
	}
	return out
}
