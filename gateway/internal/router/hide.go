package router

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/plugin"
)

// A transform that hides fields also hides them from viewers who look at events before it: at the source, in earlier stages
// of the route, and in the dead letters of the route, which have not passed all of its stages.

// setPolicies sets what viewers may see before each stage.
func (r *route) setPolicies() {
	stages := make([]tap.Stage, len(r.stages))
	for i, st := range r.stages {
		stages[i].Keeps = r.spec.Through[i].Type.HasWith(r.spec.Through[i].Options, plugin.KeepsFields)
		stages[i].Hider, _ = st.plugin().(plugin.Hider)
		stages[i].Name = hiderName(&r.spec.Through[i])
	}
	r.policies = tap.Policies(stages)
}

// hiderName returns a name of what a transform hides: a hash of its type and options, which are printed without secrets.
func hiderName(spec *TransformSpec) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %+v", spec.Type.Name(), spec.Options))
	return hex.EncodeToString(sum[:8])
}

// policy returns what viewers may see of an event that comes in, or whose stage is not known.
func (r *route) policy() *tap.Policy { return r.policies[0] }

// hide sets what viewers may see of the dead letters of each route and sink, and in the sinks to which these go.
func (b *builder) hide(g Graph) {
	parkers := map[string]map[*route]bool{} // by the name of a sink: the routes whose dead letters may get there
	add := func(sink string, routes map[*route]bool) (added bool) {
		for rt := range routes {
			if parkers[sink] == nil {
				parkers[sink] = map[*route]bool{}
			}
			added = added || !parkers[sink][rt]
			parkers[sink][rt] = true
		}
		return added
	}
	for i, spec := range g.Routes {
		rt := b.p.routes[i]
		b.p.respec = append(b.p.respec, func() { rt.deadLetters.Hide.Store(rt.policy()) })
		if spec.DeadLetter != "" {
			add(spec.DeadLetter, map[*route]bool{rt: true})
		}
	}
	for more := true; more; {
		more = false
		for _, spec := range g.Sinks {
			if spec.Delivery.DeadLetter != "" {
				more = add(spec.Delivery.DeadLetter, parkers[spec.Name]) || more
			}
		}
	}
	for _, s := range b.p.sinks {
		var policy *tap.Policy
		for rt := range parkers[s.Name] {
			policy = tap.Join(policy, rt.policy())
		}
		b.p.respec = append(b.p.respec, func() {
			s.Hide.Store(policy)
			s.DeadLetters.Hide.Store(policy)
		})
	}
}

// ShownErrors returns the components, such as "route NAME", whose errors the role read may see. An error can quote the payload, so the
// errors of a component are hidden if one of its routes hides fields. That includes sources: a nack carries the error of a transform.
func (r *Router) ShownErrors() map[string]bool {
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	shown := map[string]bool{}
	for _, s := range p.sources {
		shown["source "+s.Name] = true
	}
	for _, s := range p.sinks {
		shown["sink "+s.Name] = s.Hide.Load() == nil
	}
	for _, rt := range p.routes {
		shown["route "+rt.spec.Name] = rt.policy() == nil
		if rt.policy() != nil {
			for _, name := range rt.spec.From {
				shown["source "+name] = false
			}
		}
	}
	return shown
}
