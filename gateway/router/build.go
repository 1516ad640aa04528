package router

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/plugin"
)

// builder builds the components of a graph and collects what goes wrong.
type builder struct {
	r        *Router
	sinks    map[string]*sink
	sources  map[string]*source
	problems []error
}

func (b *builder) env(kind plugin.Kind, name string) plugin.Env {
	return plugin.Env{
		Name:    name,
		Log:     b.log(kind, name),
		Metrics: prometheus.WrapRegistererWith(prometheus.Labels{string(kind): name}, b.r.deps.Metrics),
		HTTP:    b.r.deps.HTTP,
	}
}

func (b *builder) log(kind plugin.Kind, name string) *slog.Logger {
	return b.r.deps.Log.With(string(kind), name)
}

func (b *builder) fail(kind plugin.Kind, name string, err error) {
	b.problems = append(b.problems, &BuildError{kind, name, err})
}

func (b *builder) sink(spec SinkSpec, m *metrics) {
	impl, err := spec.Type.Build(spec.Options, b.env(plugin.KindSink, spec.Name))
	if err != nil {
		b.fail(plugin.KindSink, spec.Name, err)
		return
	}
	log := b.log(plugin.KindSink, spec.Name)
	s := &sink{
		spec: spec, impl: impl, log: log,
		queue: newQueue(spec.Delivery.Queue), health: &health{log: log}, letters: b.r.letters,
		latency: m.latency.WithLabelValues(spec.Name),
	}
	b.sinks[spec.Name] = s
	b.r.sinks = append(b.r.sinks, s)
	b.closer(spec.Name, impl)
}

func (b *builder) source(spec SourceSpec) {
	impl, err := spec.Type.Build(spec.Options, b.env(plugin.KindSource, spec.Name))
	if err != nil {
		b.fail(plugin.KindSource, spec.Name, err)
		return
	}
	s := &source{
		spec: spec, impl: impl, health: &health{log: b.log(plugin.KindSource, spec.Name)},
		wasReady: make(chan struct{}),
	}
	b.sources[spec.Name] = s
	b.r.sources = append(b.r.sources, s)
}

func (b *builder) route(spec RouteSpec) {
	r := &route{spec: spec, letters: b.r.letters}
	for _, t := range spec.Through {
		impl, err := t.Type.Build(t.Options, b.env(plugin.KindTransform, t.Name))
		if err != nil {
			b.fail(plugin.KindTransform, t.Name, err)
			continue
		}
		r.stages = append(r.stages, stage{t.Name, impl})
		b.closer(t.Name, impl)
	}
	for _, name := range spec.To {
		if s := b.sinks[name]; s != nil {
			r.sinks = append(r.sinks, s)
		} else if len(b.problems) == 0 {
			b.problems = append(b.problems, fmt.Errorf("routes.%s: there is no sink %s", spec.Name, name))
		}
	}
	for _, name := range spec.From {
		if s := b.sources[name]; s != nil {
			s.routes = append(s.routes, r)
		} else if len(b.problems) == 0 {
			b.problems = append(b.problems, fmt.Errorf("routes.%s: there is no source %s", spec.Name, name))
		}
	}
	b.r.routes = append(b.r.routes, r)
}

func (b *builder) closer(name string, impl any) {
	if c, ok := impl.(plugin.Closer); ok {
		b.r.closers = append(b.r.closers, closer{name, c})
	}
}
