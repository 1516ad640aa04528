package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// batchFunc is a batch transform made of its ApplyBatch.
type batchFunc func(ctx context.Context, w plugin.Window, emit func(*event.Event)) error

func (f batchFunc) ApplyBatch(ctx context.Context, w plugin.Window, emit func(*event.Event)) error {
	return f(ctx, w, emit)
}

// merges makes one event of a window: its payloads with + between them.
var merges = batchFunc(func(_ context.Context, w plugin.Window, emit func(*event.Event)) error {
	emit(w.Events[0].WithData([]byte(strings.Join(texts(w.Events), "+"))))
	return nil
})

// passes makes of a window what it holds.
var passes = batchFunc(func(_ context.Context, w plugin.Window, emit func(*event.Event)) error {
	for _, e := range w.Events {
		emit(e)
	}
	return nil
})

func batchSpec(f batchFunc, set func(*Window)) TransformSpec {
	t := plugin.NewBatchTransform("batch", "", func() versioned { return versioned{} }, func(versioned, plugin.Env) (plugin.BatchTransform, error) { return f, nil })
	s := TransformSpec{Name: "w", Type: t, Options: t.Defaults(), Failure: DefaultFailure(), Collect: DefaultCollect()}
	if set != nil {
		set(&s.Collect.Window)
	}
	return s
}

func sized(n int) func(*Window) { return func(w *Window) { w.Size = n } }

// script is a source that does steps, one after the other, and acks into a list.
type script struct {
	acks  notes[error]
	steps func(s *scripted)
}

type scripted struct {
	ctx context.Context
	out plugin.Output
	of  *script
}

func (s *script) Run(ctx context.Context, out plugin.Output) error {
	out.Ready()
	s.steps(&scripted{ctx, out, s})
	<-ctx.Done()
	return nil
}

// emit emits a batch; a payload may be KEY:TEXT.
func (s *scripted) emit(payloads ...string) {
	b := event.Batch{Ack: ackTo(func(err error) { s.of.acks.add(err) })}
	for _, p := range payloads {
		key, _, ok := strings.Cut(p, ":")
		if !ok || p[0] == '{' {
			key = ""
		}
		b.Events = append(b.Events, &event.Event{Key: key, Data: []byte(p)})
	}
	_ = s.out.Emit(s.ctx, b) // its end is settled
}

// windowed is a graph with a batch transform between a script and a sink.
func windowed(s plugin.Source, sink plugin.Sink, through ...TransformSpec) Graph {
	return Graph{
		Sources: []SourceSpec{sourceSpec("in", s)}, Sinks: []SinkSpec{sinkSpec("out", sink, nil)},
		Routes: []RouteSpec{{Name: "r", From: []string{"in"}, Through: through, To: []string{"out"}}},
	}
}

// TestWindowEnds: when it is full, or its time is over; and at the stop.
func TestWindowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &keeps{}
		s := &script{}
		s.steps = func(s *scripted) {
			s.emit("0", "1", "2", "3", "4", "5", "6") // two are full
			time.Sleep(500 * time.Millisecond)
			if got := s.of.acks.all(); len(got) != 0 {
				t.Errorf("acked while one of the batch is held: %v", got)
			}
			time.Sleep(600 * time.Millisecond) // its time is over
			if got := s.of.acks.all(); len(got) != 1 || got[0] != nil {
				t.Errorf("acks %v", got)
			}
			s.emit("7")
			s.emit("8") // the stop ends it
		}
		r := start(t, windowed(s, out, batchSpec(merges, sized(3))))
		time.Sleep(1500 * time.Millisecond)
		if c := r.Status().Routes[0].RouteCounts; c.In != 9 || c.Held != 2 || c.Merged != 4 || c.Out != 3 {
			t.Errorf("%+v", c)
		}
		if err := r.Status().Conserved(); err != nil {
			t.Error(err)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got, want := texts(out.got), []string{"0+1+2", "3+4+5", "6", "7+8"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := s.acks.all(); len(got) != 3 || errors.Join(got...) != nil {
			t.Errorf("acks %v", got)
		}
	})
}

// TestWindowLargerThanInFlight: a source that waits for its acks is not held up for ever.
func TestWindowLargerThanInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, s := &keeps{}, &script{}
		s.steps = func(s *scripted) {
			for n := range 3 {
				s.emit(fmt.Sprint(n))
				for len(s.of.acks.all()) <= n {
					time.Sleep(10 * time.Millisecond)
				}
			}
		}
		r := start(t, windowed(s, out, batchSpec(merges, sized(1000))))
		time.Sleep(3500 * time.Millisecond)
		if c := r.Status().Sinks[0]; c.Delivered != 3 {
			t.Errorf("%+v", c)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestWindowFails: what becomes of each event is said by on_error; a server that is away gives them back.
func TestWindowFails(t *testing.T) {
	away := plugin.Unavailable(errSink)
	for _, tc := range []struct {
		name, onError string
		apply         batchFunc
		out, parked   []string
		ack           error
		counts        stats.RouteCounts
	}{
		{"dead letter", OnErrorDeadLetter, fails(errSink), nil, []string{"0", "1", "2"}, nil, stats.RouteCounts{DeadLettered: 3}},
		{"drop", OnErrorDrop, fails(errSink), nil, nil, nil, stats.RouteCounts{Dropped: 3}},
		{"pass", OnErrorPass, fails(errSink), []string{"0", "1", "2"}, nil, nil, stats.RouteCounts{Out: 3}},
		{"away", OnErrorDeadLetter, fails(away), nil, nil, errSink, stats.RouteCounts{Returned: 3}},
		{"panic", OnErrorDeadLetter, func(context.Context, plugin.Window, func(*event.Event)) error { panic("planted") }, nil, []string{"0", "1", "2"}, nil, stats.RouteCounts{DeadLettered: 3}},
		{"nil", OnErrorDeadLetter, func(_ context.Context, w plugin.Window, emit func(*event.Event)) error {
			emit(w.Events[0])
			emit(nil)
			return nil
		}, nil, []string{"0", "1", "2"}, nil, stats.RouteCounts{DeadLettered: 3}},
		{"one", OnErrorDeadLetter, failsOn(errSink, "1"), []string{"0+2"}, []string{"1"}, nil, stats.RouteCounts{DeadLettered: 1, Merged: 1, Out: 1}},
		{"one, drop", OnErrorDrop, failsOn(errSink, "0"), []string{"1+2"}, nil, nil, stats.RouteCounts{Dropped: 1, Merged: 1, Out: 1}},
		{"one, pass", OnErrorPass, failsOn(errSink, "2"), []string{"2", "0+1"}, nil, nil, stats.RouteCounts{Merged: 1, Out: 2}},
		{"one, away", OnErrorDeadLetter, failsOn(away, "1"), []string{"0+2"}, nil, errSink, stats.RouteCounts{Returned: 1, Merged: 1, Out: 1}},
		{"one after the other", OnErrorDeadLetter, failsOn(errSink, "0", "1"), []string{"2"}, []string{"0", "1"}, nil, stats.RouteCounts{DeadLettered: 2, Out: 1}},
		{"each", OnErrorDeadLetter, failsOn(errSink, "0", "1", "2"), nil, []string{"0", "1", "2"}, nil, stats.RouteCounts{DeadLettered: 3}},
		{"nothing", OnErrorDeadLetter, func(context.Context, plugin.Window, func(*event.Event)) error { return nil }, nil, nil, nil, stats.RouteCounts{Filtered: 3}},
		{"more", OnErrorDeadLetter, func(_ context.Context, w plugin.Window, emit func(*event.Event)) error {
			clear(w.Events[1:]) // the slice is the plugin's own
			for n := range 5 {
				emit(&event.Event{Data: fmt.Append(nil, n)})
			}
			return nil
		}, []string{"0", "1", "2", "3", "4"}, nil, nil, stats.RouteCounts{Added: 2, Out: 5}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out, parked, s := &keeps{}, &keeps{}, &script{steps: func(s *scripted) { s.emit("0", "1", "2") }}
				spec := batchSpec(tc.apply, nil)
				spec.Failure.OnError = tc.onError
				g := windowed(s, out, spec)
				g.Sinks, g.Routes[0].DeadLetter = append(g.Sinks, sinkSpec("parked", parked, nil)), "parked"
				r := start(t, g)
				time.Sleep(2 * time.Second)
				if got := s.acks.all(); len(got) != 1 || !errors.Is(got[0], tc.ack) {
					t.Errorf("acks %v, want %v", got, tc.ack)
				}
				tc.counts.In = 3
				st := r.Status().Routes[0]
				if st.RouteCounts != tc.counts || st.Failing != (tc.counts.DeadLettered+tc.counts.Dropped+tc.counts.Returned > 0 || tc.onError == OnErrorPass) {
					t.Errorf("%+v, want %+v", st, tc.counts)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				if !slices.Equal(texts(out.got), tc.out) || !slices.Equal(texts(parked.got), tc.parked) {
					t.Errorf("out %q, parked %q", texts(out.got), texts(parked.got))
				}
				for _, e := range out.got {
					if e.Source != "in" || e.Time.IsZero() {
						t.Errorf("%+v", e)
					}
				}
			})
		})
	}
}

// failsOn merges windows. It fails on events with these payloads, one at a time.
func failsOn(err error, payloads ...string) batchFunc {
	return func(ctx context.Context, w plugin.Window, emit func(*event.Event)) error {
		for i, e := range w.Events {
			if slices.Contains(payloads, string(e.Data)) {
				emit(e)
				return plugin.Failed(map[int]error{i: err})
			}
		}
		return merges(ctx, w, emit)
	}
}

func fails(err error) batchFunc {
	return func(_ context.Context, w plugin.Window, emit func(*event.Event)) error {
		emit(w.Events[0])
		return err
	}
}
