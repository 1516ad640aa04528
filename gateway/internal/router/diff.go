package router

import (
	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/options"
)

// reusable has the running components whose options are equal to those of a graph, by
// their index in the graph; nil where a new one must be built.
type reusable struct {
	sources []*source
	routes  []*route
	sinks   []*delivery.Sink
}

// diff finds the running components that go on, and mounts their handlers.
func (b *builder) diff(g Graph) reusable {
	var r reusable
	for _, spec := range g.Sinks {
		history, _ := g.HistoryOf(spec) // another history has other positions
		same := find(b.old.sinks, func(s *delivery.Sink) bool {
			return s.Name == spec.Name && b.old.histories[s.Name] == history.ID && s.Type.Name() == spec.Type.Name() && options.Equal(s.PluginOptions, spec.Options)
		})
		r.sinks = append(r.sinks, same)
		if same != nil {
			b.remount(same.Component)
		}
	}
	for _, spec := range g.Sources {
		same := find(b.old.sources, func(s *source) bool {
			return s.Name == spec.Name && s.spec.Type.Name() == spec.Type.Name() &&
				options.Equal(s.spec.Options, spec.Options) && options.Equal(&s.spec.Capture, &spec.Capture)
		})
		r.sources = append(r.sources, same)
		if same != nil {
			b.remount(same.Component)
		}
	}
	for _, spec := range g.Routes {
		same := find(b.old.routes, func(rt *route) bool {
			return rt.spec.Name == spec.Name && rt.spec.When.String() == spec.When.String() && rt.spec.Else == spec.Else &&
				sameTransforms(rt.spec.Through, spec.Through)
		})
		r.routes = append(r.routes, same)
		if same != nil {
			for _, st := range same.stages {
				b.remount(st.Component)
			}
		}
	}
	return r
}

func (b *builder) remount(c *component.Component) {
	if err := c.Mounts.Repeat(b.to); err != nil {
		b.problems = append(b.problems, &BuildError{c.Kind, c.Name, err})
	}
}

func sameTransforms(a, b []TransformSpec) bool {
	for i := range a {
		if i >= len(b) || a[i].Name != b[i].Name || a[i].Type.Name() != b[i].Type.Name() || a[i].Failure != b[i].Failure ||
			!options.Equal(&a[i].Collect, &b[i].Collect) || !options.Equal(a[i].Options, b[i].Options) {
			return false
		}
	}
	return len(a) == len(b)
}
