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

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// keeps is a sink that keeps what it gets.
type keeps struct {
	mu  sync.Mutex
	got []*event.Event
}

func (k *keeps) Write(_ context.Context, events []*event.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.got = append(k.got, events...)
	return nil
}

// never is a sink that can deliver nothing.
func never(err error) plugin.Sink {
	return sinkFunc(func(context.Context, []*event.Event) error { return plugin.Permanent(err) })
}

func deadLetter(to string) func(*delivery.Options) {
	return func(d *delivery.Options) { d.DeadLetter = to }
}

// TestDeadLetterSinkGetsTheEventAndWhy: the bytes untouched, and the receipt.
func TestDeadLetterSinkGetsTheEventAndWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		parked := &keeps{}
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			e := &event.Event{
				ID: "7", Source: "in", Channel: "c", Key: "k", Time: time.Now(), Data: []byte("\xff\x00"),
				Attrs: []event.Attr{{Name: "pattern", Value: "o*"}},
			}
			_ = out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: ackTo(func(err error) { told = append(told, err) })})
			<-ctx.Done()
			return nil
		})
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", source)},
			Sinks: []SinkSpec{
				sinkSpec("out", never(errSink), deadLetter("second")), sinkSpec("second", never(errors.New("full")), deadLetter("parked")), sinkSpec("parked", parked, nil),
			},
			Routes: routeTo("out"),
		})
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if len(told) != 1 || told[0] != nil {
			t.Errorf("the source was told %v", told)
		}
		if len(parked.got) != 1 {
			t.Fatalf("%d events were parked", len(parked.got))
		}
		e := parked.got[0]
		if e.ID != "7" || e.Source != "in" || e.Channel != "c" || e.Key != "k" || string(e.Data) != "\xff\x00" {
			t.Errorf("parked %+v", e)
		}
		for name, want := range map[string]string{
			"pattern": "o*", plugin.DeadLetterReason: "full; before that: sink says no", plugin.DeadLetterComponent: "sink second", plugin.DeadLetterAttempts: "1",
		} {
			if got, _ := e.Attr(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if at, _ := e.Attr(plugin.DeadLetterTime); !strings.HasPrefix(at, "20") {
			t.Errorf("the time is %q", at)
		}
		if list, total := latestLetters(r.Router); total != 0 || len(list) != 0 {
			t.Errorf("%d in memory, too", total)
		}
	})
}

// TestTransformFailuresAreParked, or go back to a source that can replay.
func TestTransformFailuresAreParked(t *testing.T) {
	for name, tc := range map[string]struct {
		ack     bool
		letters string
		want    stats.RouteCounts
		nacked  uint64
		parked  int
	}{
		"in memory":          {false, "", stats.RouteCounts{In: 3, DeadLettered: 1, Out: 2}, 0, 0},
		"in a sink":          {false, "parked", stats.RouteCounts{In: 3, DeadLettered: 1, Out: 2}, 0, 1},
		"in a sink, acked":   {true, "parked", stats.RouteCounts{In: 3, DeadLettered: 1, Out: 2}, 0, 1},
		"back to the source": {true, "", stats.RouteCounts{In: 3, Returned: 1, Out: 2}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ack func(error)
				if tc.ack {
					ack = func(error) {}
				}
				parked := &keeps{}
				r := start(t, Graph{
					Sources: []SourceSpec{sourceSpec("in", emits(3, ack))},
					Sinks:   []SinkSpec{sinkSpec("out", &keeps{}, nil), sinkSpec("parked", parked, nil)},
					Routes: []RouteSpec{{Name: "r", From: []string{"in"}, To: []string{"out"}, DeadLetter: tc.letters, Through: []TransformSpec{
						transformSpec(func(e *event.Event, emit func(*event.Event)) error {
							if string(e.Data) == "1" {
								return errSink
							}
							emit(e)
							return nil
						}),
					}}},
				})
				synctest.Wait()
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				st := r.Status()
				if st.Routes[0].RouteCounts != tc.want || st.Sources[0].Nacked != tc.nacked || len(parked.got) != tc.parked {
					t.Errorf("%+v, %d nacked, %d parked", st.Routes[0].RouteCounts, st.Sources[0].Nacked, len(parked.got))
				}
			})
		})
	}
}

// TestDeadLettersAreDrainedLast: what is parked while the gateway stops is stored.
func TestDeadLettersAreDrainedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parked := &keeps{}
		slow := sinkFunc(func(_ context.Context, events []*event.Event) error {
			time.Sleep(100 * time.Millisecond)
			return plugin.Permanent(errSink)
		})
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(10, func(error) {}))},
			Sinks: []SinkSpec{ // the order of the file is not that of the way
				sinkSpec("parked", parked, nil), sinkSpec("middle", never(errSink), deadLetter("parked")),
				sinkSpec("out", slow, func(d *delivery.Options) { d.DeadLetter, d.Queue.Batch = "middle", 1 }),
			},
			Routes: routeTo("out"),
		})
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if s := r.Status().Sources[0]; len(parked.got) != 10 || s.Acked != 10 {
			t.Errorf("%d parked, %+v", len(parked.got), s)
		}
	})
}

// TestPanicsAreCountedEverywhere: in Run, Apply and Write; nothing else
// stops.
func TestPanicsAreCountedEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			if runs++; runs == 1 {
				panic("run")
			}
			out.Ready()
			for i := range 4 {
				_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Data: fmt.Append(nil, i)}}, Ack: ackTo(func(error) {})})
			}
			<-ctx.Done()
			return nil
		})
		healthy := &keeps{}
		panics := sinkFunc(func(context.Context, []*event.Event) error { panic("write") })
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", source)},
			Sinks: []SinkSpec{
				sinkSpec("healthy", healthy, nil), sinkSpec("panics", panics, func(d *delivery.Options) { d.DeadLetter, d.Queue.Batch = "parked", 1 }),
				sinkSpec("parked", &keeps{}, nil),
			},
			Routes: []RouteSpec{{Name: "r", From: []string{"in"}, To: []string{"healthy", "panics"}, DeadLetter: "parked", Through: []TransformSpec{
				transformSpec(func(e *event.Event, emit func(*event.Event)) error {
					if string(e.Data) == "3" {
						panic("apply")
					}
					emit(e)
					return nil
				}),
			}}},
		})
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		st := r.Status()
		if s := st.Sources[0]; s.Panics != 1 || s.Acked != 4 {
			t.Errorf("source: %+v", s)
		}
		if st.Routes[0].Panics != 1 || st.Sinks[1].Panics != 3 || st.Sinks[1].DeadLettered != 3 {
			t.Errorf("route %+v, sink %+v", st.Routes[0], st.Sinks[1])
		}
		if got := texts(healthy.got); !slices.Equal(got, []string{"0", "1", "2"}) {
			t.Errorf("the healthy sink got %v", got)
		}
	})
}

// TestBestEffortSinkHoldsNoReceipt: a source that replays waits for the others only.
func TestBestEffortSinkHoldsNoReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := sinkFunc(func(context.Context, []*event.Event) error { return errSink })
		good := &keeps{}
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(100, func(error) {}))},
			Sinks: []SinkSpec{
				sinkSpec("extra", dead, func(d *delivery.Options) { d.BestEffort, d.Queue.Size = true, 10 }), sinkSpec("good", good, nil),
			},
			Routes: routeTo("extra", "good"),
		})
		time.Sleep(12 * time.Second) // max_block, once
		if s := r.Status().Sources[0]; s.Acked != 100 {
			t.Errorf("%+v", s)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestPoisonDoesNotSpin: a source that gets the same events back again and again pauses
// longer and longer, although it connects each time.
func TestPoisonDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			runs++
			nacked := make(chan error, 1)
			err := out.Emit(ctx, event.Batch{Events: []*event.Event{{Data: []byte("poison")}}, Ack: ackTo(func(err error) { nacked <- err })})
			if err != nil {
				return plugin.UnlessDone(ctx, err)
			}
			return <-nacked
		})
		fails := transformSpec(func(_ *event.Event, emit func(*event.Event)) error { return errSink })
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", source)}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)},
			Routes: []RouteSpec{{Name: "r", From: []string{"in"}, To: []string{"out"}, Through: []TransformSpec{fails}}},
		})
		time.Sleep(10 * time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if runs < 60 || runs > 400 { // a pause is at most 10 s, half of it on average
			t.Errorf("%d runs in ten minutes", runs)
		}
	})
}
