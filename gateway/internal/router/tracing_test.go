package router

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/tracing"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// Places in two traces of an application.
const (
	inA = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1111111111111111-01"
	inB = "00-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-3333333333333333-01"
)

// traced returns a router whose spans go to a receiver.
func traced(t *testing.T) (*Router, *testenv.TraceReceiver) {
	t.Helper()
	receiver := testenv.NewTraceReceiver(t)
	o := tracing.DefaultOptions()
	o.Endpoint = options.NewURL(receiver.URL)
	r := newRouter(t)
	tracer := tracing.New(o, "", tracing.NewMetrics(), slog.New(slog.DiscardHandler))
	r.SetTracer(tracer)
	t.Cleanup(func() { tracer.Shutdown(context.Background()) })
	return r, receiver
}

// linkTexts returns the links of a span as places in traces, sorted.
func linkTexts(s testenv.Span) (out []string) {
	for _, l := range s.Links {
		out = append(out, "00-"+hex.EncodeToString(l.TraceId)+"-"+hex.EncodeToString(l.SpanId)+"-01")
	}
	slices.Sort(out)
	return out
}

// TestSpansOfMixedBatches proves that a batch with events of several traces has spans of its own with links to these traces. A span
// has the outcome of its batch, and a window has a span.
func TestSpansOfMixedBatches(t *testing.T) {
	t.Parallel()
	r, receiver := traced(t)
	source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		var events []*event.Event
		for i, parent := range []string{inA, inB, inA} {
			events = append(events, &event.Event{Data: fmt.Append(nil, i), Attrs: []event.Attr{{Name: event.AttrTraceParent, Value: parent}}})
		}
		_ = out.Emit(ctx, event.Batch{Events: events}) // fails where the test ends
		<-ctx.Done()
		return nil
	})
	refusesThird := transformSpec(func(e *event.Event, emit func(*event.Event)) error {
		if string(e.Data) == "2" {
			return errors.New(`cannot take "a payload"`)
		}
		emit(e)
		return nil
	})
	var writes atomic.Int64
	flaky := sinkFunc(func(ctx context.Context, events []*event.Event) error {
		if plugin.TraceParent(ctx) == "" {
			t.Error("a write has no trace")
		}
		if writes.Add(1) == 1 && len(events) == 2 {
			return plugin.Failed(map[int]error{1: errors.New("not now")})
		}
		return nil
	})
	counts := batchSpec(func(_ context.Context, w plugin.Window, emit func(*event.Event)) error {
		emit(&event.Event{Data: fmt.Append(nil, len(w.Events))})
		return nil
	}, sized(3))
	g := Graph{
		Sources: []SourceSpec{sourceSpec("in", source)},
		Sinks: []SinkSpec{sinkSpec("s", flaky, func(o *delivery.Options) { o.Retry.Initial = options.Duration(1e6) }),
			sinkSpec("w", sinkFunc(func(context.Context, []*event.Event) error { return nil }), nil)},
		Routes: []RouteSpec{{Name: "r", From: []string{"in"}, Through: []TransformSpec{refusesThird}, To: []string{"s"}},
			{Name: "windows", From: []string{"in"}, Through: []TransformSpec{counts}, To: []string{"w"}}},
	}
	st := startOn(t, r, g)
	await := func(name string, is func(testenv.Span) bool) testenv.Span {
		t.Helper()
		return receiver.Await(t, name, func(s testenv.Span) bool { return s.Name == name && is(s) })
	}
	root := func(s testenv.Span, attrs map[string]string) {
		t.Helper()
		if s.Parent != "" || s.TraceID == inA[3:35] || s.TraceID == inB[3:35] || !slices.Equal(linkTexts(s), []string{inA, inB}) {
			t.Errorf("%s: trace %s, parent %s, links %v", s.Name, s.TraceID, s.Parent, linkTexts(s))
		}
		for name, value := range attrs {
			if s.Attrs[name] != value {
				t.Errorf("%s: %v", s.Name, s.Attrs)
			}
		}
	}
	all := func(testenv.Span) bool { return true }
	root(await("source in", all), map[string]string{"gateway.outcome": "emitted", "messaging.batch.message_count": "3"})
	route := await("route r", all)
	root(route, map[string]string{"gateway.outcome": "failed", "gateway.out": "2", "gateway.dead_lettered": "1"})
	if route.Status.GetMessage() != "cannot take ***" {
		t.Errorf("status %v", route.Status)
	}
	first := await("sink s", func(s testenv.Span) bool { return s.Attrs["gateway.attempt"] == "1" })
	root(first, map[string]string{"gateway.outcome": "retry", "gateway.delivered": "1", "messaging.batch.message_count": "2"})
	second := await("sink s", func(s testenv.Span) bool { return s.Attrs["gateway.attempt"] == "2" })
	if second.TraceID != inB[3:35] || second.Parent != inB[36:52] || second.Attrs["gateway.outcome"] != "delivered" || len(second.Links) != 0 {
		t.Errorf("%s: %v", second.Name, second)
	}
	window := await("route windows", func(s testenv.Span) bool { return s.Attrs["gateway.out"] == "1" })
	root(window, map[string]string{"gateway.outcome": "routed"})
	if w := await("sink w", all); w.TraceID != window.TraceID || w.Parent != window.ID {
		t.Errorf("%s: %v behind %v", w.Name, w, window)
	}
	if err := st.stop(); err != nil {
		t.Error(err)
	}
}
