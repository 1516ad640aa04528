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
	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// gapSink notes what it gets, gaps among it.
type gapSink struct {
	got    []string
	begins int // gaps that are the start of a source
}

func (s *gapSink) Write(_ context.Context, events []*event.Event) error {
	s.got = append(s.got, texts(events)...)
	return nil
}

func (s *gapSink) Gap(_ context.Context, g plugin.Gap) error {
	if g.Reason == reasonStart {
		s.begins++
		return nil
	}
	s.got = append(s.got, "gap of "+g.Source+": "+g.Reason)
	return nil
}

// TestSourceIsSupervised: it is run again after errors and panics, with growing
// pauses, and its gaps reach the sink in order.
func TestSourceIsSupervised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := 0
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			run++
			switch run {
			case 2:
				panic("two")
			case 3:
				return nil // although it was not told to
			}
			if run > 1 {
				out.Gap("lost the connection")
			}
			out.Ready()
			if err := out.Emit(ctx, event.Batch{Events: []*event.Event{{Data: fmt.Append(nil, run)}}}); err != nil {
				return err
			}
			if run < 5 {
				return errors.New("lost it")
			}
			<-ctx.Done()
			return nil
		})
		sink := &gapSink{}
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", source)}, Sinks: []SinkSpec{sinkSpec("out", sink, nil)}, Routes: routeTo("out")})
		if err := r.plan.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		st := r.Status().Sources[0]
		if !st.Up || st.Gaps != 3 || st.GapsAtStart != 1 || st.Errors != 4 || st.Emitted != 3 || st.LastError != "lost it" {
			t.Errorf("%+v", st)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		want := []string{"1", "gap of in: lost the connection", "4", "gap of in: lost the connection", "5"}
		if !slices.Equal(sink.got, want) || sink.begins != 1 {
			t.Errorf("got %q, want %q", sink.got, want)
		}
	})
}

func TestTransformsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &gapSink{}
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(6, nil))},
			Sinks:   []SinkSpec{sinkSpec("out", sink, nil), sinkSpec("copy", &gapSink{}, nil)},
			Routes: []RouteSpec{{
				Name: "r", From: []string{"in"}, To: []string{"out", "copy"},
				Through: []TransformSpec{
					transformSpec(func(e *event.Event, emit func(*event.Event)) error {
						switch string(e.Data) {
						case "0":
							return nil
						case "1":
							emit(e)
							emit(e.WithData([]byte("1b")))
							emit(e.WithData([]byte("1c")))
							return nil
						case "2":
							emit(e)
							return errors.New("fails")
						case "3":
							panic("three")
						}
						emit(e)
						return nil
					}),
					transformSpec(func(e *event.Event, emit func(*event.Event)) error {
						if string(e.Data) == "1b" {
							return nil
						}
						emit(e)
						return nil
					}),
				},
			}},
		})
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if want := []string{"1", "1c", "4", "5"}; !slices.Equal(sink.got, want) {
			t.Errorf("got %q, want %q", sink.got, want)
		}
		want := stats.RouteCounts{In: 6, Added: 2, Filtered: 2, DeadLettered: 2, Out: 4}
		if st := r.Status(); st.Routes[0].RouteCounts != want || st.Sinks[1].In != 4 {
			t.Errorf("%+v, sink %+v", st.Routes[0].RouteCounts, st.Sinks[1])
		}
		if letters, _ := latestLetters(r.Router); len(letters) != 2 || letters[1].Reason != "panic: three" {
			t.Errorf("%+v", letters)
		}
	})
}

// TestEveryBatchIsAckedOnce: over two routes and three sinks, of which one fails
// some for good.
func TestEveryBatchIsAckedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		var acked, nacked int
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			for i := range n {
				calls := 0
				settled := func(err error) {
					if calls++; calls > 1 {
						t.Error("a batch is settled twice")
					}
					if err != nil {
						nacked++
					} else {
						acked++
					}
				}
				if err := out.Emit(ctx, event.Batch{Events: []*event.Event{{Data: fmt.Append(nil, i)}, {Data: fmt.Append(nil, i)}}, Ack: ackTo(settled)}); err != nil {
					return err
				}
			}
			<-ctx.Done()
			return nil
		})
		fails := sinkFunc(func(_ context.Context, events []*event.Event) error {
			failed := map[int]error{}
			for i, e := range events {
				if strings.HasSuffix(string(e.Data), "7") {
					failed[i] = plugin.Permanent(errSink)
				}
			}
			return plugin.Failed(failed)
		})
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", source)},
			Sinks:   []SinkSpec{sinkSpec("a", &gapSink{}, nil), sinkSpec("b", fails, nil)},
			Routes:  append(routeTo("a", "b"), RouteSpec{Name: "r2", From: []string{"in"}, To: []string{"a"}}),
		})
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if acked != 90 || nacked != 10 {
			t.Errorf("%d acked, %d nacked", acked, nacked)
		}
		if s := r.Status().Sources[0]; s.Acked != 180 || s.Nacked != 20 {
			t.Errorf("%+v", s)
		}
	})
}

// TestStopDrainsUntilItsDeadline: what waits is delivered while there is time,
// and given back when there is no more.
func TestStopDrainsUntilItsDeadline(t *testing.T) {
	for name, pace := range map[string]time.Duration{"in time": 100 * time.Millisecond, "too slow": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []error
				sink := sinkFunc(func(ctx context.Context, events []*event.Event) error {
					if !backoff.Sleep(ctx, pace) {
						return ctx.Err()
					}
					return nil
				})
				r := start(t, Graph{
					Sources: []SourceSpec{sourceSpec("in", emits(20, func(err error) { told = append(told, err) }))},
					Sinks:   []SinkSpec{sinkSpec("out", sink, func(d *delivery.Options) { d.Queue.Batch = 1 })},
					Routes:  routeTo("out"),
				})
				synctest.Wait()
				begin := time.Now()
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				took, st := time.Since(begin), r.Status().Sinks[0]
				if name == "in time" && (st.Delivered != 20 || took > 3*time.Second) {
					t.Errorf("after %v: %+v", took, st)
				}
				if name == "too slow" && (st.Delivered != 7 || st.Returned != 13 || took != 7500*time.Millisecond) {
					t.Errorf("after %v: %+v", took, st)
				}
				if len(told) != 20 {
					t.Errorf("%d batches were settled", len(told))
				}
			})
		})
	}
}

func TestOpenIsRetriedAndQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &opener{failures: 5}
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", emits(3, nil))}, Sinks: []SinkSpec{sinkSpec("out", s, nil)}, Routes: routeTo("out")})
		synctest.Wait()
		if st := r.Status().Sinks[0]; st.Up || st.Queued != 3 || st.LastError == "" {
			t.Errorf("before it opens: %+v", st)
		}
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if want := []string{"open", "0", "1", "2", "close"}; !slices.Equal(s.got, want) {
			t.Errorf("got %q, want %q", s.got, want)
		}
	})
}

type opener struct {
	gapSink
	failures int
}

func (o *opener) Open(context.Context) error {
	if o.failures--; o.failures >= 0 {
		return errSink
	}
	o.got = append(o.got, "open")
	return nil
}

func (o *opener) Close(context.Context) error {
	o.got = append(o.got, "close")
	return nil
}

// TestStopDoesNotWaitForNothing: a sink that never opened and has nothing to
// write does not hold up a stop.
func TestStopDoesNotWaitForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(0, nil))},
			Sinks:   []SinkSpec{sinkSpec("out", &opener{failures: 1 << 30}, nil)},
			Routes:  routeTo("out"),
		})
		time.Sleep(time.Hour)
		begin := time.Now()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}
