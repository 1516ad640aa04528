package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// dryRunSource is the name of the source of a dry run; no configured source can have this name.
const dryRunSource = "dry run"

// dryRun shows what would become of a letter at the place to, or where it has failed if that is "". It runs the route in a router of its own,
// with test doubles for the source and the sinks.
func (g *gateway) dryRun(ctx context.Context, l *letters.Letter, to string) (admin.DryRunResult, error) {
	cfg := g.running.Load()
	place := to
	if place == "" {
		place = l.Place
	}
	result := admin.DryRunResult{Place: place, Items: []tap.Item{}, Sinks: []admin.Received{}}
	kind, name, _ := strings.Cut(place, " ")
	if kind == string(plugin.KindSink) && slices.ContainsFunc(cfg.Graph.Sinks, func(s router.SinkSpec) bool { return s.Name == name }) {
		result.Sinks = append(result.Sinks, admin.Received{Sink: name, Payloads: []letters.Payload{l.Data}})
		return result, nil
	}
	i := slices.IndexFunc(cfg.Graph.Routes, func(r router.RouteSpec) bool { return kind == "route" && r.Name == name })
	if i < 0 {
		return result, fmt.Errorf("the configuration has no %s: name a sink or a route as %q or %q", place, "sink NAME", "route NAME")
	}
	route := cfg.Graph.Routes[i]
	if to == "" {
		if err := fromFailedStage(&route, l); err != nil {
			return result, err
		}
		if len(route.Through) < len(cfg.Graph.Routes[i].Through) {
			result.From = route.Through[0].Name
		}
	}
	return result, runDry(ctx, route, l.Event(), &result)
}

// fromFailedStage removes the stages of a route before the transform that has failed, and then its condition, too.
func fromFailedStage(r *router.RouteSpec, l *letters.Letter) error {
	_, name, ok := strings.Cut(l.Component, ", transform ")
	if !ok {
		return nil
	}
	i := slices.IndexFunc(r.Through, func(t router.TransformSpec) bool { return t.Name == name })
	if i < 0 {
		return fmt.Errorf("the route %s has no transform %s any more: choose the whole route, or a sink", r.Name, name)
	}
	r.Through, r.When = r.Through[i:], expr.Condition{}
	return nil
}

// runDry runs an event through a route, and sets the items and sinks of the result.
func runDry(ctx context.Context, route router.RouteSpec, e *event.Event, result *admin.DryRunResult) error {
	begin := make(chan struct{})
	src := &batchSource{events: []*event.Event{e}, flight: inflight.NewPositionTracker(0), emitted: make(chan error, 1)}
	source := sourceSpecOf(dryRunSource, gatedSource{src, begin})
	g := router.Graph{DrainTimeout: testTimeout, DryRun: true, Sources: []router.SourceSpec{source}}
	route.From, route.Else, route.DeadLetter, route.Through = []string{dryRunSource}, false, parkedSink, slices.Clone(route.Through)
	for i := range route.Through { // the stop of the router ends the windows
		route.Through[i].Collect.Window.Time = options.Duration(time.Hour)
	}
	g.Routes = []router.RouteSpec{route}
	at := map[string]*recorder{}
	for _, name := range append([]string{parkedSink}, route.To...) {
		if at[name] == nil {
			at[name] = &recorder{}
			g.Sinks = append(g.Sinks, at[name].spec(name))
		}
	}
	r := router.New(slog.New(slog.DiscardHandler))
	plan, err := r.Plan(g, httpserver.NewTable())
	if err != nil {
		return err
	}
	ready := plan.Readiness()
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running, plan) }()
	if err := ready(ctx); err != nil {
		cancel()
		return errors.Join(err, <-ended)
	}
	viewer, err := r.Taps().Watch("route."+route.Name, tap.Options{Limit: tap.MaxLimit})
	if err != nil {
		cancel()
		return errors.Join(err, <-ended)
	}
	defer viewer.Close()
	close(begin)
	select {
	case err = <-src.emitted:
	case <-ctx.Done():
		err = ctx.Err()
	}
	cancel()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	for item := viewer.Next(ctx); item != nil; item = viewer.Next(ctx) { // the router has ended the viewer, behind all events
		result.Items = append(result.Items, *item)
	}
	for _, name := range route.To {
		if got := at[name].events; len(got) > 0 {
			received := admin.Received{Sink: name}
			for _, e := range got {
				received.Payloads = append(received.Payloads, e.Data)
			}
			result.Sinks = append(result.Sinks, received)
		}
	}
	for _, e := range at[parkedSink].events {
		component, _ := e.Attr(plugin.DeadLetterComponent)
		reason, _ := e.Attr(plugin.DeadLetterReason)
		result.Failed = component + ": " + reason
	}
	return nil
}

// gatedSource is a batchSource that emits when begin is closed.
type gatedSource struct {
	*batchSource
	begin <-chan struct{}
}

// Run is part of [plugin.Source].
func (s gatedSource) Run(ctx context.Context, out plugin.Output) error {
	out.Ready()
	select {
	case <-s.begin:
	case <-ctx.Done():
		return nil
	}
	return s.emit(ctx, out)
}

// sourceSpecOf returns the spec of a source that is made of a plugin.
func sourceSpecOf(name string, s plugin.Source) router.SourceSpec {
	typ := plugin.NewSource("test", "", func() struct{} { return struct{}{} }, func(struct{}, plugin.Env) (plugin.Source, error) { return s, nil })
	return router.SourceSpec{Name: name, Type: typ, Options: typ.Defaults()}
}
