package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/settle"
	"eventgateway/gateway/plugin"
)

// typedNil is an error whose text cannot be asked for where it is nil.
type typedNil struct{ text string }

func (e *typedNil) Error() string { return e.text }

// TestSinksThatSlip: an error of Write that is made wrongly costs no event and no process.
func TestSinksThatSlip(t *testing.T) {
	var none *typedNil
	for _, tc := range []struct {
		name string
		err  error // of the first Write of three events
		says string
		want []string // what the sink is given, Write for Write
	}{
		{"an event has failed with nil", plugin.Failed(map[int]error{0: nil, 1: errSink}), "sink says no", []string{"0 1 2", "1"}},
		{"no event has failed", plugin.Failed(map[int]error{0: nil}), "", []string{"0 1 2"}},
		{"an index beyond the batch", plugin.Failed(map[int]error{3: errSink}), "index 3", []string{"0 1 2", "0 1 2"}},
		{"more delivered than there is", plugin.Delivered(4, errSink), "the count 4 for a batch of 3 events", []string{"0 1 2", "0 1 2"}},
		{"the first is delivered, and the server is away", plugin.Delivered(1, plugin.Unavailable(errSink)), "sink says no", []string{"0 1 2", "1 2"}},
		{"an error that is a typed nil", none, "panic", []string{"0 1 2", "0", "1", "2"}},
		{"an event's error is a typed nil", plugin.Failed(map[int]error{1: none}), "panic", []string{"0 1 2", "0", "1", "2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var writes []string
				sink := sinkFunc(func(_ context.Context, events []*event.Event) error {
					if writes = append(writes, strings.Join(texts(events), " ")); len(writes) == 1 {
						return tc.err
					}
					return nil
				})
				acks := &notes[error]{}
				source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
					out.Ready()
					b := event.Batch{Ack: ackTo(func(err error) { acks.add(err) })}
					for i := range 3 {
						b.Events = append(b.Events, &event.Event{Data: fmt.Append(nil, i)})
					}
					if err := out.Emit(ctx, b); err != nil {
						return err
					}
					<-ctx.Done()
					return nil
				})
				r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", source)}, Sinks: []SinkSpec{sinkSpec("out", sink, nil)}, Routes: routeTo("out")})
				time.Sleep(time.Minute)
				if s := r.Status().Sinks[0]; !strings.Contains(s.LastError, tc.says) || s.Delivered != 3 {
					t.Errorf("%+v", s)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				if !slices.Equal(writes, tc.want) {
					t.Errorf("writes %q, want %q", writes, tc.want)
				}
				if got := acks.all(); len(got) != 1 || got[0] != nil {
					t.Errorf("acks %v", got)
				}
			})
		})
	}
}

// TestSourcesThatSlip: a batch that cannot be carried is given back, and what is missing is set.
func TestSourcesThatSlip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acks, out := &notes[error]{}, &keeps{}
		var late plugin.Output
		runs := 0
		source := sourceFunc(func(ctx context.Context, o plugin.Output) error {
			runs++
			o.Ready()
			ack := func() *settle.Ack { return ackTo(func(err error) { acks.add(err) }) }
			if runs == 1 {
				o.Ready()
				if err := o.Emit(ctx, event.Batch{Events: []*event.Event{nil}, Ack: ack()}); !errors.Is(err, errNilEvent) {
					t.Errorf("nil as an event: %v", err)
				}
				late = o
				return errors.New("lost")
			}
			late.Ready()
			if err := late.Emit(ctx, event.Batch{Events: []*event.Event{{}}, Ack: ack()}); !errors.Is(err, errAfterRun) {
				t.Errorf("Emit of a run that has returned: %v", err)
			}
			if err := o.Emit(ctx, event.Batch{Events: []*event.Event{{Data: []byte("bare")}}, Ack: ack()}); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			return nil
		})
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", source)}, Sinks: []SinkSpec{sinkSpec("out", out, nil)}, Routes: routeTo("out")})
		time.Sleep(time.Minute)
		if got := acks.all(); len(got) != 3 || !errors.Is(got[0], errNilEvent) || !errors.Is(got[1], errAfterRun) || got[2] != nil {
			t.Errorf("acks %v", got)
		}
		if s := r.Status().Sources[0]; s.Errors < 4 || !s.Up {
			t.Errorf("%+v", s)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if len(out.got) != 1 || out.got[0].Source != "in" || time.Since(out.got[0].Time) > time.Hour {
			t.Errorf("got %+v", out.got)
		}
	})
}

// TestEmitFromManyGoroutines: each keeps its order, and nothing is lost.
func TestEmitFromManyGoroutines(t *testing.T) {
	const emitters, each = 8, 500
	out := &keeps{}
	source := sourceFunc(func(ctx context.Context, o plugin.Output) error {
		o.Ready()
		var all sync.WaitGroup
		for g := range emitters {
			all.Go(func() {
				for n := range each {
					if err := o.Emit(ctx, event.Batch{Events: []*event.Event{{Key: fmt.Sprint(g), Data: fmt.Append(nil, n)}}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		<-ctx.Done()
		return nil
	})
	r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", source)}, Sinks: []SinkSpec{sinkSpec("out", out, nil)}, Routes: routeTo("out")})
	if err := r.plan.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	for r.Status().Sinks[0].Delivered < emitters*each {
		time.Sleep(time.Millisecond)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	next := map[string]int{}
	for _, e := range out.got {
		if string(e.Data) != fmt.Sprint(next[e.Key]) {
			t.Fatalf("emitter %s: %s, want %d", e.Key, e.Data, next[e.Key])
		}
		next[e.Key]++
	}
}

// TestTransformsThatSlip: an event of which nil or nothing comes is parked, and what is emitted too
// late is lost aloud.
func TestTransformsThatSlip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &keeps{}
		var before func(*event.Event)
		transform := transformSpec(func(e *event.Event, emit func(*event.Event)) error {
			switch string(e.Data) {
			case "0":
				emit(e)
				emit(nil)
			case "1":
				before = emit
				emit(e)
			case "2":
				return nil
			default:
				emit(e.WithData([]byte("3a")))
				emit(e)
			}
			return nil
		})
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", emits(4, nil))}, Sinks: []SinkSpec{sinkSpec("out", out, nil)},
			Routes: []RouteSpec{{Name: "r", From: []string{"in"}, Through: []TransformSpec{transform}, To: []string{"out"}}}})
		time.Sleep(time.Second)
		synctest.Wait()
		before(&event.Event{Data: []byte("late")})
		if s := r.Status().Routes[0]; s.DeadLettered != 1 || s.Filtered != 1 || s.Added != 1 || s.Out != 3 || !strings.Contains(s.LastError, "nil") {
			t.Errorf("%+v", s)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := texts(out.got); !slices.Equal(got, []string{"1", "3a", "3"}) {
			t.Errorf("got %q", got)
		}
	})
}

// TestErrorsKeepTheirClass, also where a transform has failed and the source is told.
func TestErrorsKeepTheirClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acks := &notes[error]{}
		fails := transformSpec(func(*event.Event, func(*event.Event)) error { return plugin.Permanent(errSink) })
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", emits(1, func(err error) { acks.add(err) }))}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)},
			Routes: []RouteSpec{{Name: "r", From: []string{"in"}, Through: []TransformSpec{fails}, To: []string{"out"}}}})
		time.Sleep(time.Second)
		if got := acks.all(); len(got) != 1 || !plugin.IsPermanent(got[0]) || !errors.Is(got[0], errSink) {
			t.Errorf("acks %v", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestPanicsInPassing: of a metric, and of a goroutine.
func TestPanicsInPassing(t *testing.T) {
	typ := plugin.NewSource("bad", "", func() none { return none{} }, func(_ none, env plugin.Env) (plugin.Source, error) {
		env.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bad"}, func() float64 { panic("collect") }))
		return sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			env.Go(func(context.Context) { panic("goroutine") })
			<-ctx.Done()
			return nil
		}), nil
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Graph{Sources: []SourceSpec{{Name: "in", Type: typ, Options: typ.Defaults()}}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: routeTo("out")})
		time.Sleep(time.Hour)
		if _, err := r.Gather(); err != nil {
			t.Errorf("Gather: %v", err)
		}
		if s := r.Status().Sources[0]; s.Panics != 2 {
			t.Errorf("%+v", s)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

type describes struct{ prometheus.Collector }

func (describes) Describe(chan<- *prometheus.Desc) { panic("describe") }

// TestPanicsOfMetrics: of a collector, and of a metric that is a function.
func TestPanicsOfMetrics(t *testing.T) {
	typ := plugin.NewSource("bad", "", func() none { return none{} }, func(_ none, env plugin.Env) (plugin.Source, error) {
		_ = env.Metrics.Register(describes{prometheus.NewCounter(prometheus.CounterOpts{Name: "never"})})
		return emits(0, nil), env.Metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bad"}, func() float64 { panic("collect") }))
	})
	r := start(t, Graph{Sources: []SourceSpec{{Name: "in", Type: typ, Options: typ.Defaults()}}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: routeTo("out")})
	if err := r.plan.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := r.FullStatus().Sources[0]; s.Panics == 0 {
		t.Errorf("%+v", s)
	}
	before := r.Status().Sources[0].Panics
	r.FullStatus()
	if after := r.Status().Sources[0].Panics; after != before+1 {
		t.Errorf("%d panics, then %d", before, after)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}
