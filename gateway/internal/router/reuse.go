package router

import "eventgateway/gateway/options"

// reusable are the components that run already and are what a graph asks for, by
// their index in it; nil where a new one must be built.
type reusable struct {
	sources []*source
	routes  []*route
	sinks   []*sink
}

// reuse finds the components with equal options and mounts their handlers.
func (b *builder) reuse(g Graph) reusable {
	var r reusable
	for _, spec := range g.Sinks {
		same := find(b.old.sinks, func(s *sink) bool {
			return s.name == spec.Name && s.spec.Type.Name() == spec.Type.Name() && options.Equal(s.spec.Options, spec.Options)
		})
		r.sinks = append(r.sinks, same)
		if same != nil {
			b.remount(&same.component)
		}
	}
	for _, spec := range g.Sources {
		same := find(b.old.sources, func(s *source) bool {
			return s.name == spec.Name && s.spec.Type.Name() == spec.Type.Name() &&
				options.Equal(s.spec.Options, spec.Options) && options.Equal(&s.spec.Capture, &spec.Capture)
		})
		r.sources = append(r.sources, same)
		if same != nil {
			b.remount(&same.component)
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
				b.remount(&st.component)
			}
		}
	}
	return r
}

func (b *builder) remount(c *component) {
	if err := c.mounts.again(b.to); err != nil {
		b.problems = append(b.problems, &BuildError{c.kind, c.name, err})
	}
}

func sameTransforms(a, b []TransformSpec) bool {
	for i := range a {
		if i >= len(b) || a[i].Name != b[i].Name || a[i].Type.Name() != b[i].Type.Name() || a[i].Failure != b[i].Failure || !options.Equal(a[i].Options, b[i].Options) {
			return false
		}
	}
	return len(a) == len(b)
}

// sameDelivery compares all but where the dead letters go, which may change while
// a sink runs.
func sameDelivery(a, b Delivery) bool {
	a.DeadLetter = b.DeadLetter
	return options.Equal(&a, &b)
}
