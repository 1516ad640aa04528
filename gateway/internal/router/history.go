package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// A sink may take its history from its source (see [plugin.HistorySink]). Its first worker fills it when the source is
// ready, and before it writes. By then the source emits what is newer than the history, or a part of that again.

// historyTimeout is how long filling a history may take in all. Then live events begin, after a gap.
const historyTimeout = 30 * time.Second

// History is where a sink takes its history from.
type History struct {
	Source, Route string
	ID            string        // of the source's history, and of what the route does with its events
	Range         time.Duration // 0: the sink takes none
}

// HistoryOf returns where a sink of the graph takes its history from. The error explains why positions in it would
// not be the same at each gateway.
func (g Graph) HistoryOf(s SinkSpec) (h History, err error) {
	k, ok := s.Options.(plugin.HistoryKeeper)
	if !ok || k.HistoryRange() <= 0 {
		return h, nil
	}
	var routes []RouteSpec
	for _, r := range g.Routes {
		if slices.Contains(r.To, s.Name) {
			routes = append(routes, r)
		}
		if r.DeadLetter == s.Name {
			return h, fmt.Errorf("it gets the dead letters of the route %s, which have no place in the history: name another sink there", r.Name)
		}
	}
	for _, o := range g.Sinks {
		if o.Delivery.DeadLetter == s.Name {
			return h, fmt.Errorf("it gets the dead letters of the sink %s, which have no place in the history: name another sink there", o.Name)
		}
	}
	if len(routes) != 1 || len(routes[0].From) != 1 {
		return h, errors.New("the history has the order of one source: lead one route with one source to this sink")
	}
	if s.Delivery.Queue.WhenFull != queue.WhenFullBlock {
		return h, fmt.Errorf("the queue must not drop events, which the history of another gateway has: write when_full: block instead of %s", s.Delivery.Queue.WhenFull)
	}
	r := routes[0]
	from := slices.IndexFunc(g.Sources, func(s SourceSpec) bool { return s.Name == r.From[0] })
	if from < 0 {
		return h, fmt.Errorf("there is no source %s", r.From[0])
	}
	id, err := sourceHistory(g.Sources[from])
	if err != nil {
		return h, err
	}
	if r.Else {
		return h, fmt.Errorf("else in the route %s depends on other routes: write the condition as when", r.Name)
	}
	id += fmt.Sprintf("\n%q", r.When.String())
	for _, t := range r.Through {
		if _, batch := t.Type.AsBatch(); batch || t.Type.HasWith(t.Options, plugin.Deduplicates) || t.Type.HasWith(t.Options, plugin.Stateful) {
			return h, fmt.Errorf("the result of the transform %s depends on earlier events, so gateways may differ: leave it out of the route %s", t.Name, r.Name)
		}
		id += fmt.Sprintf("\n%s %s %q", t.Type.Name(), t.Failure.OnError, options.Text(t.Options))
	}
	return History{Source: r.From[0], Route: r.Name, ID: id, Range: k.HistoryRange()}, nil
}

// sourceHistory returns the ID of the history of a source.
func sourceHistory(s SourceSpec) (string, error) {
	store, ok := s.Options.(plugin.HistoryStore)
	if !ok {
		return "", fmt.Errorf("the source %s, a %s, cannot read its history: use a source of the type redis-stream", s.Name, s.Type.Name())
	}
	id, err := store.HistoryID()
	switch {
	case err != nil:
		return "", fmt.Errorf("the source %s: %w", s.Name, err)
	case s.Capture.Leader != "":
		return "", fmt.Errorf("only the leader of the source %s gets its events: leave leader out, and give each gateway a name of its own", s.Name)
	}
	return id, nil
}

// histories makes the new sinks of a plan fill their histories.
func (b *builder) histories(g Graph) {
	b.p.histories = map[string]string{}
	for i, spec := range g.Sinks {
		h, err := g.HistoryOf(spec)
		if err != nil {
			b.problems = append(b.problems, &BuildError{plugin.KindSink, spec.Name, err})
		}
		if err != nil || h.Range == 0 {
			continue
		}
		b.p.histories[spec.Name] = h.ID
		sink := b.p.sinks[i]
		if _, isNew := b.p.newSinks[sink]; !isNew {
			continue
		}
		f := &filling{
			History: h, sink: sink, source: find(b.p.sources, func(s *source) bool { return s.Name == h.Source }),
			route: find(b.p.routes, func(r *route) bool { return r.spec.Name == h.Route }), key: expr.NewEvaluator(b.clock.Now, b.clock.NewID),
		}
		sink.Fill = f.run
	}
}

// filling fills the history of one sink.
type filling struct {
	History
	sink   *delivery.Sink
	source *source
	route  *route
	key    expr.Evaluator // in place of the source's, which only its Run uses
}

// run fills the history, with retries, until ctx ends. It returns the reason of a gap where that has failed, or "".
func (f *filling) run(ctx context.Context) (gap string) {
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	b := backoff.Backoff{Initial: restartInitial, Max: 2 * time.Second}
	for {
		err := f.fill(ctx)
		if err == nil {
			return ""
		}
		if ctx.Err() == nil {
			f.sink.Log.Warn("history not read", "source", f.Source, "error", err)
		}
		if plugin.IsPermanent(err) || !backoff.Sleep(ctx, b.Pause(plugin.IsUnavailable(err))) {
			return fmt.Sprintf("the history could not be read from the source %s: %v", f.Source, err)
		}
	}
}

// fill fills the history once. It waits for the source to be ready.
func (f *filling) fill(ctx context.Context) error {
	select {
	case <-f.source.wasReady:
	case <-ctx.Done():
		return errors.New("it is not connected")
	}
	reader, isReader := f.source.impl.(plugin.HistorySource)
	keeper, isKeeper := f.sink.Impl.(plugin.HistorySink)
	if !isReader || !isKeeper {
		return plugin.Permanent(errors.New("the options promise a history, and the plugin has no ReadHistory or FillHistory"))
	}
	f.sink.Queue().ForgetGaps() // what is missing there is in the history
	since := time.Now().Add(-f.Range)
	return f.sink.Protect(func() error {
		return keeper.FillHistory(ctx, f.ID, func(take func([]*event.Event) error) error {
			return f.source.Protect(func() error {
				return reader.ReadHistory(ctx, since, func(events []*event.Event) error { return f.carry(ctx, events, take) })
			})
		})
	})
}

// carry carries events of the history through the route, and calls take with the result.
func (f *filling) carry(ctx context.Context, events []*event.Event, take func([]*event.Event) error) error {
	for _, e := range events {
		e.Source = cmp.Or(e.Source, f.Source)
		if key := f.source.spec.Capture.Key; !key.IsZero() {
			text, _, err := f.key.Text(nil, key, e)
			if e.Key = string(text); err != nil {
				e.Key = ""
			}
		}
	}
	out, err := f.route.replay(ctx, events)
	if err != nil || len(out) == 0 {
		return err
	}
	return take(out)
}

// replay carries events of a history through the route, and returns the results. It counts and parks nothing, because
// that was done when they came for the first time. It fails if a transform is unavailable.
func (r *route) replay(ctx context.Context, events []*event.Event) ([]*event.Event, error) {
	r.busy.Lock()
	defer r.busy.Unlock()
	if !r.spec.When.IsZero() {
		events = slices.DeleteFunc(events, func(e *event.Event) bool {
			ok, err := r.eval.True(r.spec.When, e)
			return !ok || err != nil
		})
	}
	more := false
	for _, st := range r.stages {
		st.out = nil
		for _, e := range events {
			before := len(st.out)
			err := st.apply(ctx, e, nil, r.health)
			switch {
			case err == nil:
				setPosition(e, st.out[before:])
				more = more || len(st.out) > before+1
			case st.failure.OnError == OnErrorPass:
				st.out = append(st.out, e)
			case st.failure.OnError != OnErrorDrop && plugin.IsUnavailable(err):
				return nil, err
			}
		}
		events, st.out = st.out, nil
	}
	if more {
		numberPositions(events)
	}
	return events, nil
}

// setPosition gives the position of e to the events that a transform made of it without a position.
func setPosition(e *event.Event, made []*event.Event) {
	if e.Position.IsZero() {
		return
	}
	for _, m := range made {
		if m.Position.IsZero() {
			m.Position = e.Position
		}
	}
}

// numberPositions numbers the events that were made of one event, so that their positions differ. It copies these events,
// because other goroutines may read them.
func numberPositions(events []*event.Event) {
	for i := 1; i < len(events); i++ {
		before, p := events[i-1].Position, events[i].Position
		if p.Major == before.Major && p.Minor == before.Minor && !p.IsZero() {
			c := *events[i]
			c.Position.Index = before.Index + 1
			events[i] = &c
		}
	}
}
