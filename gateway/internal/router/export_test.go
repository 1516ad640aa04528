package router

// Plugins calls f with every plugin that was built for a plan which is not installed yet.
func (p *Plan) Plugins(f func(name string, impl any)) {
	for s := range p.newSources {
		f("source "+s.Name, s.impl)
	}
	for rt := range p.newRoutes {
		for _, st := range rt.stages {
			f("transform "+st.Name, st.impl)
		}
	}
	for s := range p.newSinks {
		f("sink "+s.Name, s.Impl)
	}
}
