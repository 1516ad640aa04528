package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"eventgateway/gateway/plugin"
)

// components returns everything of the plan that has metrics of its own.
func (p *Plan) components() (all []*component) {
	for _, s := range p.sources {
		all = append(all, &s.component)
	}
	for _, rt := range p.routes {
		for _, st := range rt.stages {
			all = append(all, &st.component)
		}
	}
	for _, s := range p.sinks {
		all = append(all, &s.component)
	}
	return all
}

// layers orders the sinks for a stop: those first that others get no dead letters
// of, then those which these park in, and so on.
func (p *Plan) layers() (layers [][]*sink) {
	depth := map[string]int{}
	for range p.sinks { // a chain is no longer than that
		for _, s := range p.sinks {
			if to := s.status().DeadLetter; to != "" {
				depth[to] = min(max(depth[to], depth[s.name]+1), len(p.sinks)-1)
			}
		}
	}
	for _, s := range p.sinks {
		for len(layers) <= depth[s.name] {
			layers = append(layers, nil)
		}
		layers[depth[s.name]] = append(layers[depth[s.name]], s)
	}
	return layers
}

// close closes all plugins of a plan that has run: sources first, which may want to
// store how far everything was acked.
func (p *Plan) close(deadline time.Time) error {
	var err error
	for _, s := range p.sources {
		err = errors.Join(err, s.close(deadline))
	}
	for _, s := range p.sinks {
		err = errors.Join(err, s.close(deadline))
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

// Probe asks every component that can tell how things are where it
// connects to, one after the other, and each for timeout at most. The plan need not run.
// skip lists those that are left out: "sinks.bus".
func (p *Plan) Probe(ctx context.Context, timeout time.Duration, skip []string) []Probe {
	var out []Probe
	probe := func(c *component, impl any) {
		kind, name := c.kind, c.name
		if p, ok := impl.(plugin.Prober); ok && !slices.Contains(skip, string(kind)+"s."+name) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			out = append(out, Probe{kind, name, c.probe(ctx, p)})
			cancel()
		}
	}
	for _, s := range p.sources {
		probe(&s.component, s.impl)
	}
	for _, rt := range p.routes {
		for _, st := range rt.stages {
			probe(&st.component, st.impl)
		}
	}
	for _, s := range p.sinks {
		probe(&s.component, s.impl)
	}
	return out
}

// probe asks the plugin. A panic is a finding.
func (c *component) probe(ctx context.Context, p plugin.Prober) (findings []plugin.Finding) {
	defer func() {
		if v := recover(); v != nil {
			findings = append(findings, plugin.Finding{Level: plugin.Wrong, Text: fmt.Sprintf("panic: %v", v)})
		}
		for i := range findings {
			findings[i].Text, findings[i].Fix = c.redactor.Text(findings[i].Text), c.redactor.Text(findings[i].Fix)
		}
	}()
	return p.Probe(ctx)
}
