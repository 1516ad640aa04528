package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// graph decodes the components and routes.
type graph struct {
	dec      *options.Decoder
	plugins  plugin.Set
	selected []string        // routes; empty: all
	used     map[string]bool // components of the selected routes, such as "sinks.bus"
	values   variableValues
	secrets  []any // pointers to all options; the first ones are from outside of the file
	outside  int   // number of these
	names    map[string][]string
	running  *Config // see Request
	// storesLetters says that dead letters without a sink are stored on the disk. storeHint says how to get there.
	storesLetters bool
	storeHint     string
}

// parts is the top level of a file without its settings.
type parts struct {
	Sources    any `koanf:"sources"`
	Transforms any `koanf:"transforms"`
	Sinks      any `koanf:"sinks"`
	Routes     any `koanf:"routes"`
	Tests      any `koanf:"tests"`
}

// routeOptions is a route in a file.
type routeOptions struct {
	From       []string       `koanf:"from" rule:"min=1" doc:"sources"`
	When       expr.Condition `koanf:"when" doc:"condition over the payload that an event must meet for the route to take it"`
	Else       bool           `koanf:"else" doc:"take only events that no route without else takes from the same source; when narrows them further"`
	Through    []string       `koanf:"through" doc:"transforms, in this order"`
	To         []string       `koanf:"to" rule:"min=1" doc:"sinks"`
	DeadLetter string         `koanf:"dead_letter" doc:"sink that gets the events which a transform fails on"`
}

// Docs is part of [options.Documented].
func (routeOptions) Docs() map[string]string {
	return map[string]string{
		"dead_letter": "Without it they go to the store that dead_letters configures, or back to a source that can replay; the latest others stay in memory",
		"when":        "Where it cannot be evaluated, the event is a dead letter of the route",
	}
}

// header has the options of every component that are not its plugin's.
type header struct {
	Type string `koanf:"type" rule:"required"`
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// maxPaths bounds the pairs of a source and a transform or sink of its routes: each is checked and
// counted, and a route of a thousand sources to a thousand sinks has a million.
const maxPaths = 100_000

func (g *graph) decode(raw map[string]any, selected []string) *Config {
	for key := range raw {
		if strings.HasPrefix(key, "x-") { // for anchors
			delete(raw, key)
		}
	}
	s, top := defaultSettings(), parts{}
	g.dec.Decode("", raw, &s, &top)
	g.secrets = append(g.secrets, &s)
	routes := g.routes(top.Routes, top.Sinks, selected)
	cfg := &Config{HTTP: s.HTTP, Log: s.Log, Tracing: s.Tracing, State: s.State, DeadLetters: s.DeadLetters, ShutdownDelay: s.ShutdownDelay.D()}
	cfg.Graph.Sources = components(g, "sources", top.Sources, g.plugins.Sources, func(name string, t plugin.SourceType) ([]any, func() router.SourceSpec) {
		opts, capture := t.Defaults(), &router.Capture{}
		return []any{capture, opts}, func() router.SourceSpec {
			return router.SourceSpec{Name: name, Type: t, Options: opts, Capture: *capture, Redactor: g.redactor("sources."+name, opts)}
		}
	})
	transforms := components(g, "transforms", top.Transforms, g.plugins.Transforms, func(name string, t plugin.TransformType) ([]any, func() router.TransformSpec) {
		opts, failure, collect := t.Defaults(), router.DefaultFailure(), router.Collect{}
		parts := []any{&failure, opts}
		if _, ok := t.AsBatch(); ok {
			collect = router.DefaultCollect()
			parts = append(parts, &collect)
		}
		return parts, func() router.TransformSpec {
			return router.TransformSpec{Name: name, Type: t, Options: opts, Failure: failure, Collect: collect, Redactor: g.redactor("transforms."+name, opts)}
		}
	})
	cfg.Graph.Sinks = components(g, "sinks", top.Sinks, g.plugins.Sinks, func(name string, t plugin.SinkType) ([]any, func() router.SinkSpec) {
		opts, delivery := t.Defaults(), delivery.DefaultOptions()
		return []any{&delivery, opts}, func() router.SinkSpec {
			return router.SinkSpec{Name: name, Type: t, Options: opts, Delivery: delivery, Redactor: g.redactor("sinks."+name, opts)}
		}
	})
	byName := make(map[string]router.TransformSpec, len(transforms))
	for _, t := range transforms {
		byName[t.Name] = t
	}
	paths := 0
	for _, r := range routes {
		spec := router.RouteSpec{Name: r.name, From: r.From, When: r.When, Else: r.Else, To: r.To, DeadLetter: r.DeadLetter, Redactor: g.redactor("routes." + r.name)}
		for _, name := range r.Through {
			if t, ok := byName[name]; ok {
				spec.Through = append(spec.Through, t)
			}
		}
		cfg.Graph.Routes = append(cfg.Graph.Routes, spec)
		g.references(r, top)
		paths += len(r.From) * (len(r.Through) + len(r.To))
	}
	if paths > maxPaths {
		g.dec.Report("routes", true, "lead on %d paths from a source through a transform or to a sink, more than %d: name fewer in each", paths, maxPaths)
		return cfg // the graph is never built
	}
	cfg.Graph.DrainTimeout = s.ShutdownTimeout.D()
	g.checkLogComponents(s.Log, top)
	g.storesLetters, g.storeHint = s.DeadLetters.Path != "", "set dead_letters.path"
	if g.storesLetters && g.running != nil && g.running.DeadLetters.Path == "" {
		g.storesLetters, g.storeHint = false, "restart the gateway, because a reload does not open the store of dead_letters.path"
	}
	g.checkConsistency(cfg.Graph, top)
	cfg.Tests = g.tests(top, cfg.Graph.Routes, cfg.Graph.Sinks)
	return cfg
}

type namedRoute struct {
	name string
	routeOptions
}

// routes decodes the selected routes and records which components they use.
func (g *graph) routes(raw, sinks any, selected []string) []namedRoute {
	m := g.mapping("routes", raw)
	g.selected, g.used = selected, map[string]bool{}
	for _, name := range selected {
		if _, ok := m[name]; !ok {
			g.dec.Report("routes", true, "%s", options.UnknownName(fmt.Sprintf("route %q was asked for", name), name, g.known("routes", m)))
		}
	}
	if len(m) == 0 {
		g.dec.Report("routes", true, "at least one route is required: routes: {NAME: {from: [SOURCE], to: [SINK]}}")
	}
	var out []namedRoute
	for _, name := range g.dec.Keys("routes", m) {
		if len(selected) > 0 && !slices.Contains(selected, name) {
			continue
		}
		g.checkName("routes", name)
		r := namedRoute{name: name}
		g.dec.Decode("routes."+name, m[name], &r.routeOptions)
		g.used["routes."+name] = true
		for kind, names := range map[string][]string{"sources": r.From, "transforms": r.Through, "sinks": r.To} {
			for _, n := range names {
				g.used[kind+"."+n] = true
			}
		}
		if r.DeadLetter != "" {
			g.used["sinks."+r.DeadLetter] = true
		}
		out = append(out, r)
	}
	g.useDeadLetters(sinks)
	return out
}

// useDeadLetters records the sinks that get the dead letters of sinks in use.
func (g *graph) useDeadLetters(sinks any) {
	bodies, _ := sinks.(map[string]any)
	for name := range bodies {
		for g.used["sinks."+name] { // until the chain reaches a recorded sink
			body, _ := bodies[name].(map[string]any)
			to, ok := body["dead_letter"]
			name = fmt.Sprint(to)
			if !ok || g.used["sinks."+name] {
				break
			}
			g.used["sinks."+name] = true
		}
	}
}

// references checks that the components of a route exist, and that each is listed once.
func (g *graph) references(r namedRoute, top parts) {
	for _, ref := range []struct {
		key, what string
		names     []string
		in        any
	}{
		{"from", "source", r.From, top.Sources},
		{"through", "transform", r.Through, top.Transforms},
		{"to", "sink", r.To, top.Sinks},
	} {
		defined, _ := ref.in.(map[string]any)
		before := map[string]bool{}
		for i, name := range ref.names {
			at := fmt.Sprintf("routes.%s.%s[%d]", r.name, ref.key, i)
			if _, ok := defined[name]; !ok {
				g.dec.Report(at, false, "%s", g.unknown(ref.what, name, ref.what+"s", defined))
			} else if before[name] && ref.key != "through" {
				g.dec.Report(at, false, "%s %q stands in this list twice", ref.what, name)
			}
			before[name] = true
		}
	}
}

func (g *graph) mapping(path string, raw any) map[string]any {
	m, ok := raw.(map[string]any)
	if !ok && raw != nil {
		g.dec.Report(path, false, "must be a mapping from names to their options")
	}
	return m
}

func (g *graph) checkName(path, name string) {
	if !validName.MatchString(name) {
		g.dec.Report(options.Join(path, name), true, "a name begins with a-z and goes on with a-z, 0-9 or _, up to 63 characters")
	}
}

// components decodes all components of one kind that are used. prepare returns the
// pointers to decode into, and a function that returns the spec.
func components[T, S any](g *graph, section string, raw any, types []plugin.Type[T], prepare func(string, plugin.Type[T]) ([]any, func() S)) []S {
	m := g.mapping(section, raw)
	known := make([]string, len(types))
	for i, t := range types {
		known[i] = t.Name()
	}
	var out []S
	for _, name := range g.dec.Keys(section, m) {
		at := section + "." + name
		if g.unselected(at) {
			continue
		}
		g.checkName(section, name)
		body, ok := m[name].(map[string]any)
		if !ok {
			g.dec.Report(at, true, "must be a mapping with a type; known types: %s", strings.Join(known, ", "))
			continue
		}
		typeName := fmt.Sprint(body["type"])
		shown := fmt.Sprintf(" %q", typeName)
		if e, ok := body["type"].(options.Expanded); ok {
			typeName, shown = string(e), " in the environment variable"
		}
		i := slices.Index(known, typeName)
		switch {
		case body["type"] == options.Invalid{}:
			continue
		case body["type"] == nil:
			g.dec.Report(at+".type", true, "is required; known types: %s", strings.Join(known, ", "))
			continue
		case i < 0:
			what := strings.TrimSuffix(section, "s") + " type" + shown
			g.dec.Report(at+".type", false, "%s", g.dec.UnknownName(what, typeName, func() []string { return known }))
			continue
		}
		dsts, spec := prepare(name, types[i])
		g.dec.Decode(at, body, append(dsts, &header{})...)
		g.secrets = append(g.secrets, dsts...)
		out = append(out, spec())
	}
	return out
}
