package router

// Plugins calls f with every plugin that was built for a plan which is not installed yet.
func (p *Plan) Plugins(f func(name string, impl any)) {
	for s := range p.freshSources {
		f("source "+s.name, s.impl)
	}
	for rt := range p.freshRoutes {
		for _, st := range rt.stages {
			f("transform "+st.name, st.impl)
		}
	}
	for s := range p.freshSinks {
		f("sink "+s.name, s.impl)
	}
}
