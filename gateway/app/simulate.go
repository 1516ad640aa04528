package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// testTimeout bounds one test, whose transforms may query servers.
const testTimeout = 30 * time.Second

// parkedSink is the name of the test sink for dead letters; no configured sink can have
// this name.
const parkedSink = "dead letters"

// testResult holds what a test has delivered.
type testResult struct {
	at      map[string]*recorder // by the name of the sink, and config.DeadLetters
	reasons []string             // why events were parked, dropped or passed on
	clients []clientResult       // of the test's clients, in their order
}

// simulate sends a test's events through the routes of its source, in a router with
// test doubles for the source and the sinks.
func simulate(ctx context.Context, cfg *config.Config, t config.Test) (*testResult, error) {
	got := &testResult{at: map[string]*recorder{}}
	f := &batchSource{flight: inflight.NewPositionTracker(0), emitted: make(chan error, 1)}
	g := router.Graph{DrainTimeout: testTimeout, Now: func() time.Time { return t.Now }, NewID: countingIDs(), DryRun: true}
	g.Sources = []router.SourceSpec{testSource(cfg, t, f)}
	for _, r := range cfg.Graph.Routes {
		if !slices.Contains(r.From, t.Source) {
			continue
		}
		r.From, r.DeadLetter = []string{t.Source}, parkedSink
		r.Through = slices.Clone(r.Through)
		for i := range r.Through { // the stop of the router ends the windows, in the order of their transforms
			r.Through[i].Collect.Window.Time = options.Duration(time.Hour)
		}
		g.Routes = append(g.Routes, r)
		for _, name := range append([]string{parkedSink}, r.To...) {
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
		return nil, configError(cfg.Locate(err))
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
	got.at[config.DeadLetters] = got.at[parkedSink]
	for _, e := range got.at[parkedSink].events {
		component, _ := e.Attr(plugin.DeadLetterComponent)
		reason, _ := e.Attr(plugin.DeadLetterReason)
		got.reasons = append(got.reasons, "parked by "+component+": "+reason)
	}
	for _, route := range r.Status().Routes {
		if route.Errors > route.DeadLettered { // on_error: drop or pass hides the others
			got.reasons = append(got.reasons, fmt.Sprintf("route %s: its transforms failed on %d events, and on_error dropped them or passed them on; the last error: %s", route.Name, route.Errors-route.DeadLettered, route.LastError))
		}
	}
	for _, c := range t.Clients {
		got.clients = append(got.clients, clientView(cfg, c, got.at[c.Sink]))
	}
	return got, nil
}

// countingIDs returns a function that returns UUIDs, the same in each run.
func countingIDs() func() string {
	n := 0
	return func() string {
		n++
		return fmt.Sprintf("00000000-0000-4000-8000-%012x", n)
	}
}

// testSource returns the spec of a source that emits the events of a test, by f. Events have an ID if those of the
// configured source have one.
func testSource(cfg *config.Config, t config.Test, f *batchSource) router.SourceSpec {
	i := slices.IndexFunc(cfg.Graph.Sources, func(s router.SourceSpec) bool { return s.Name == t.Source })
	configured := cfg.Graph.Sources[i]
	var attrs []event.Attr
	for _, a := range t.Attrs {
		attrs = append(attrs, event.Attr{Name: a.Key, Value: a.Value})
	}
	for n, payload := range t.Payloads {
		e := &event.Event{Source: t.Source, Channel: t.Channel, Time: t.Now, Data: payload, Attrs: attrs}
		if configured.Type.HasWith(configured.Options, plugin.Replays) {
			e.ID = fmt.Sprint(n + 1)
		}
		f.events = append(f.events, e)
	}
	spec := sourceSpecOf(t.Source, f)
	spec.Capture.Key = configured.Capture.Key
	return spec
}

// batchSource is a source that emits one batch, and sends the error of Emit to emitted.
type batchSource struct {
	events  []*event.Event
	flight  *inflight.PositionTracker[int]
	emitted chan error
}

// Run is part of [plugin.Source].
func (f *batchSource) Run(ctx context.Context, out plugin.Output) error {
	out.Ready()
	return f.emit(ctx, out)
}

// emit emits the batch, and waits for the end of ctx.
func (f *batchSource) emit(ctx context.Context, out plugin.Output) error {
	err := out.Emit(ctx, event.Batch{Events: f.events, Ack: f.flight.Add(1, len(f.events))})
	f.emitted <- err
	<-ctx.Done()
	return plugin.UnlessDone(ctx, err)
}

// recorder is a sink that records its events. It is read after the router has stopped.
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
