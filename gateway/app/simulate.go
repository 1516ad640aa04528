package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"eventgateway/gateway/internal/delivery"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// testTimeout bounds one test: its transforms may ask servers.
const testTimeout = 30 * time.Second

// parkedHere is the sink that stands in for where events would be parked; no sink of a
// configuration is called that.
const parkedHere = "dead letters"

// arrived is what a test has brought to the sinks.
type arrived struct {
	at      map[string]*recorder // by sink, and config.DeadLetters
	reasons []string             // why events were parked
	clients []view               // of the test's clients, in their order
}

// simulate sends a test's events through the routes of its source, in a router like
// any other, with stand-ins for the source and the sinks.
func simulate(ctx context.Context, cfg *config.Config, t config.Test) (*arrived, error) {
	got := &arrived{at: map[string]*recorder{}}
	f := &feed{flight: inflight.NewPositionTracker(0), emitted: make(chan error, 1)}
	g := router.Graph{DrainTimeout: testTimeout, Now: func() time.Time { return t.Now }, NewID: countingIDs(), DryRun: true}
	g.Sources = []router.SourceSpec{standIn(cfg, t, f)}
	for _, r := range cfg.Graph.Routes {
		if !slices.Contains(r.From, t.Source) {
			continue
		}
		r.From, r.DeadLetter = []string{t.Source}, parkedHere
		r.Through = slices.Clone(r.Through)
		for i := range r.Through { // the stop ends the windows, in the order of their transforms
			r.Through[i].Collect.Window.Time = options.Duration(time.Hour)
		}
		g.Routes = append(g.Routes, r)
		for _, name := range append([]string{parkedHere}, r.To...) {
			if got.at[name] == nil {
				got.at[name] = &recorder{}
				g.Sinks = append(g.Sinks, got.at[name].spec(name))
			}
		}
	}
	log := slog.New(slog.DiscardHandler)
	r := router.New(log)
	plan, err := r.Plan(g, httpserver.NewTable())
	if err != nil {
		return nil, wrong(cfg.Locate(err))
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running, plan) }()
	select {
	case err = <-f.emitted:
	case <-time.After(testTimeout):
		err = fmt.Errorf("the events did not arrive within %v", testTimeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	cancel()
	if err := errors.Join(err, <-ended); err != nil {
		return nil, err
	}
	if _, failed := f.flight.State(); failed != nil { // a router that has stopped has settled all events
		return nil, failed
	}
	got.at[config.DeadLetters] = got.at[parkedHere]
	for _, e := range got.at[parkedHere].events {
		component, _ := e.Attr(plugin.DeadLetterComponent)
		reason, _ := e.Attr(plugin.DeadLetterReason)
		got.reasons = append(got.reasons, component+": "+reason)
	}
	for _, c := range t.Clients {
		got.clients = append(got.clients, look(cfg, c, got.at[c.Sink]))
	}
	return got, nil
}

// countingIDs makes UUIDs that are the same in each run.
func countingIDs() func() string {
	n := 0
	return func() string {
		n++
		return fmt.Sprintf("00000000-0000-4000-8000-%012x", n)
	}
}

// standIn returns a source that emits the events of a test from f. Events have an ID where those of the real source have
// one.
func standIn(cfg *config.Config, t config.Test, f *feed) router.SourceSpec {
	i := slices.IndexFunc(cfg.Graph.Sources, func(s router.SourceSpec) bool { return s.Name == t.Source })
	real := cfg.Graph.Sources[i]
	var attrs []event.Attr
	for _, a := range t.Attrs {
		attrs = append(attrs, event.Attr{Name: a.Key, Value: a.Value})
	}
	for n, payload := range t.Payloads {
		e := &event.Event{Source: t.Source, Channel: t.Channel, Time: t.Now, Data: payload, Attrs: attrs}
		if real.Type.Has(plugin.Replays) {
			e.ID = fmt.Sprint(n + 1)
		}
		f.events = append(f.events, e)
	}
	typ := plugin.NewSource("test", "", func() struct{} { return struct{}{} }, func(struct{}, plugin.Env) (plugin.Source, error) {
		return f, nil
	})
	return router.SourceSpec{Name: t.Source, Type: typ, Options: typ.Defaults(), Capture: router.Capture{Key: real.Capture.Key}}
}

// feed is a source that emits one batch, and reports that on emitted.
type feed struct {
	events  []*event.Event
	flight  *inflight.PositionTracker[int]
	emitted chan error
}

// Run is part of [plugin.Source].
func (f *feed) Run(ctx context.Context, out plugin.Output) error {
	out.Ready()
	err := out.Emit(ctx, event.Batch{Events: f.events, Ack: f.flight.Add(1, len(f.events))})
	f.emitted <- err
	<-ctx.Done()
	return plugin.UnlessDone(ctx, err)
}

// recorder is a sink that keeps what it gets. It is read when the router has stopped.
type recorder struct{ events []*event.Event }

// Write is part of [plugin.Sink].
func (r *recorder) Write(_ context.Context, events []*event.Event) error {
	r.events = append(r.events, events...)
	return nil
}

func (r *recorder) spec(name string) router.SinkSpec {
	typ := plugin.NewSink("test", "", func() struct{} { return struct{}{} }, func(struct{}, plugin.Env) (plugin.Sink, error) { return r, nil })
	return router.SinkSpec{Name: name, Type: typ, Options: typ.Defaults(), Delivery: delivery.DefaultOptions()}
}
