package router

import (
	"fmt"
	"slices"

	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// wire resolves the names in routes and dead_letter.
func (b *builder) wire(g Graph) {
	to := func(from, name, path string) *edge {
		e := b.edgeTo(from, name)
		if e == nil {
			b.problems = append(b.problems, fmt.Errorf("%s: there is no sink %s", path, name))
		}
		return e
	}
	deadLetters := func(box *deadletter.Box, kind plugin.Kind, name, target string) {
		b.p.deadLetters[box] = nil
		if target != "" {
			b.p.deadLetters[box] = to(stats.DeadLettersOf(kind, name), target, string(kind)+"s."+name+".dead_letter")
		}
	}
	for i, spec := range g.Sinks {
		deadLetters(b.p.sinks[i].DeadLetters, plugin.KindSink, spec.Name, spec.Delivery.DeadLetter)
	}
	for i, spec := range g.Routes {
		rt := b.p.routes[i]
		deadLetters(rt.deadLetters, "route", spec.Name, spec.DeadLetter)
		w := wired{route: rt}
		for _, name := range spec.To {
			w.to = append(w.to, to("route "+spec.Name, name, "routes."+spec.Name))
		}
		if rt.windowed {
			b.p.outputs[rt] = w.to
		}
		for _, name := range spec.From {
			s := find(b.p.sources, func(s *source) bool { return s.Name == name })
			if s == nil {
				b.problems = append(b.problems, fmt.Errorf("routes.%s: there is no source %s", spec.Name, name))
				continue
			}
			w.in = b.r.edges.Counter("source "+name, "route "+spec.Name)
			b.p.wiring[s] = append(b.p.wiring[s], w)
		}
	}
	for _, routes := range b.p.wiring {
		slices.SortStableFunc(routes, func(a, b wired) int { return elseLast(a.route) - elseLast(b.route) })
		noteShared(routes)
	}
}

// edgeTo returns an edge to a sink; nil if there is none of that name.
func (b *builder) edgeTo(from, name string) *edge {
	s := find(b.p.sinks, func(s *delivery.Sink) bool { return s.Name == name })
	if s == nil {
		return nil
	}
	return &edge{s, b.r.edges.Counter(from, "sink "+name)}
}

// noteShared finds the routes of a source that lead to the same sink.
func noteShared(routes []wired) {
	for i := range routes {
		for j := range routes {
			routes[i].shares = routes[i].shares || i != j && slices.ContainsFunc(routes[i].to, func(e *edge) bool {
				return e != nil && slices.ContainsFunc(routes[j].to, func(other *edge) bool { return other != nil && other.sink == e.sink })
			})
		}
	}
}

func elseLast(r *route) int {
	if r.spec.Else {
		return 1
	}
	return 0
}

func find[T any](list []*T, is func(*T) bool) *T {
	for _, x := range list {
		if is(x) {
			return x
		}
	}
	return nil
}
