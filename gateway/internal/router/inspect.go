package router

import (
	"slices"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/stats"
)

// Inspection has what operators may read of a running component, beside its status.
type Inspection struct {
	// Health is nil for a transform, whose failures are those of its routes.
	Health   *stats.Health
	Failures []stats.Failure
	Routes   []string // that use a transform
	Sink     *delivery.Sink
}

// Inspect returns the inspection of a source, transform, sink or route. found is false if none with the name runs.
func (r *Router) Inspect(kind, name string) (in Inspection, found bool) {
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	var m *stats.Monitor
	var health stats.Health
	switch kind {
	case "source":
		if s := find(p.sources, func(s *source) bool { return s.Name == name }); s != nil {
			m, health = s.Health, s.status().Health
		}
	case "sink":
		if s := find(p.sinks, func(s *delivery.Sink) bool { return s.Name == name }); s != nil {
			m, health, in.Sink = s.Health, s.Status().Health, s
		}
	case "route":
		if rt := find(p.routes, func(rt *route) bool { return rt.spec.Name == name }); rt != nil {
			m, health = rt.health, rt.health.Health()
		}
	case "transform":
		return p.inspectTransform(name)
	}
	if m == nil {
		return in, false
	}
	in.Health, in.Failures = &health, m.Failures()
	return in, true
}

// inspectTransform returns the routes that use a transform, and the failures of its instances there.
func (p *Plan) inspectTransform(name string) (in Inspection, found bool) {
	for _, rt := range p.routes {
		for _, st := range rt.stages {
			if st.Name != name || slices.Contains(in.Routes, rt.spec.Name) {
				continue
			}
			in.Routes = append(in.Routes, rt.spec.Name)
		}
	}
	return in, len(in.Routes) > 0
}
