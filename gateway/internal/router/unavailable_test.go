package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/settle"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// inTurns is a source of n events that can be replayed, with the keys 0 to keys-1 in turns.
func inTurns(n, keys int) plugin.Source {
	return sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		var events []*event.Event
		for i := range n {
			events = append(events, &event.Event{Time: time.Now(), Key: fmt.Sprint(i % keys), Data: fmt.Append(nil, i)})
		}
		_ = out.Emit(ctx, event.Batch{Events: events, Ack: ackTo(func(error) {})})
		<-ctx.Done()
		return nil
	})
}

// TestUnavailableFailsTheSink: a server of one's own that is away opens the breaker at once. The same
// batch is written again, with pauses of a second at most, and no attempt of an event counts;
// with and without a schedule.
func TestUnavailableFailsTheSink(t *testing.T) {
	for _, schedule := range []bool{false, true} {
		t.Run(fmt.Sprint("schedule ", schedule), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, there := time.Now(), &atomic.Bool{}
				writes, batches := &notes[time.Duration]{}, &notes[string]{}
				sink := sinkFunc(func(_ context.Context, events []*event.Event) error {
					writes.add(time.Since(begin))
					batches.add(strings.Join(texts(events), " "))
					if there.Load() {
						return nil
					}
					return fmt.Errorf("redis: %w", plugin.Unavailable(errSink))
				})
				r := start(t, Graph{
					Sources: []SourceSpec{sourceSpec("in", inTurns(20, 5))},
					Sinks: []SinkSpec{sinkSpec("out", sink, func(d *delivery.Options) {
						d.Retry.Attempts = 2
						if schedule {
							d.Retry.Schedule = standardSchedule
						}
					})},
					Routes: routeTo("out"),
				})
				synctest.Wait()
				if st := r.Status().Sinks[0]; st.Up || st.Breaker.State != stats.BreakerOpen || st.LastError == "" {
					t.Errorf("after the first write: %+v", st)
				}
				time.Sleep(time.Hour)
				at := writes.all()
				if n := len(at); n < 3600 || n > 7300 {
					t.Errorf("%d writes in an hour", n)
				}
				for i := 1; i < len(at); i++ {
					if pause := at[i] - at[i-1]; pause > time.Second+time.Millisecond {
						t.Fatalf("%v between two attempts", pause)
					}
				}
				there.Store(true)
				time.Sleep(time.Second + time.Millisecond)
				if st := r.Status().Sinks[0]; !st.Up || st.Delivered != 20 || st.DeadLettered != 0 || st.Breaker.State != stats.BreakerClosed || st.Breaker.Opened != 1 {
					t.Errorf("when it is there again: %+v", st)
				}
				if all := slices.Compact(batches.all()); len(all) != 1 {
					t.Errorf("%d different batches were written: %q", len(all), all)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestUnavailableAfterSomeEvents: of a batch some are delivered, some refused for good, one fails, and
// then the connection is lost. Nothing is lost or comes twice, and the keys stay in order.
func TestUnavailableAfterSomeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, writes := &notes[string]{}, 0
		sink := sinkFunc(func(_ context.Context, events []*event.Event) error {
			writes++
			failed := map[int]error{}
			for i, e := range events {
				switch n := string(e.Data); {
				case writes == 1 && n == "3":
					failed[i] = plugin.Permanent(errors.New("no object"))
				case writes == 1 && n == "4":
					failed[i] = errSink // the next of its key is 9
				case writes == 1 && len(n)+i > 7: // 7 and later
					failed[i] = plugin.Unavailable(errors.New("connection lost"))
				default:
					got.add(n)
				}
			}
			return plugin.Failed(failed)
		})
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", inTurns(20, 5))},
			Sinks: []SinkSpec{
				sinkSpec("out", sink, func(d *delivery.Options) { d.Retry.Attempts, d.DeadLetter = 3, "parked" }),
				sinkSpec("parked", sinkFunc(func(context.Context, []*event.Event) error { return nil }), nil),
			},
			Routes: routeTo("out"),
		})
		synctest.Wait()
		if st := r.Status().Sinks[0]; st.Up || st.Breaker.State != stats.BreakerOpen || !strings.Contains(st.LastError, "connection lost") {
			t.Errorf("%+v", st)
		}
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		byKey := map[int][]int{}
		for _, text := range got.all() {
			var n int
			fmt.Sscan(text, &n)
			byKey[n%5] = append(byKey[n%5], n)
		}
		want := "map[0:[0 5 10 15] 1:[1 6 11 16] 2:[2 7 12 17] 3:[8 13 18] 4:[4 9 14 19]]"
		if s := fmt.Sprint(byKey); s != want {
			t.Errorf("got %s\nwant %s", s, want)
		}
		if st := r.Status().Sinks[0]; st.DeadLettered != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// TestOthersServerIsProbedRarely: for a server that is not said to be one's own, retry.max bounds
// the pauses.
func TestOthersServerIsProbedRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var writes atomic.Int32
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(1, nil))},
			Sinks:   []SinkSpec{sinkSpec("out", sinkFunc(func(context.Context, []*event.Event) error { writes.Add(1); return errSink }), nil)},
			Routes:  routeTo("out"),
		})
		time.Sleep(time.Hour)
		if n := writes.Load(); n < 130 || n > 400 { // every 15 s, but for the first
			t.Errorf("%d writes in an hour", n)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestSourceOfAnUnavailableServer is run again within a second. One that gets its events back is
// not, but where what they were given back for is such a server itself.
func TestSourceOfAnUnavailableServer(t *testing.T) {
	for name, tc := range map[string]struct {
		err         error
		least, most int
	}{
		"away":             {plugin.Unavailable(errSink), 3600, 7300},
		"another reason":   {errSink, 600, 1000},
		"given back":       {plugin.Unavailable(fmt.Errorf("stream: %w", &settle.Nack{Err: errSink})), 600, 1000},
		"given back, away": {fmt.Errorf("stream: %w", &settle.Nack{Err: plugin.Unavailable(errSink)}), 3600, 7300},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var runs atomic.Int32
				src := sourceFunc(func(context.Context, plugin.Output) error { runs.Add(1); return tc.err })
				r := start(t, Graph{
					Sources: []SourceSpec{sourceSpec("in", src)},
					Sinks:   []SinkSpec{sinkSpec("out", sinkFunc(func(context.Context, []*event.Event) error { return nil }), nil)},
					Routes:  routeTo("out"),
				})
				time.Sleep(time.Hour)
				if n := int(runs.Load()); n < tc.least || n > tc.most {
					t.Errorf("%d runs in an hour", n)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestTransformOfAnUnavailableServer: a source that can replay gets its events back, and they are
// not parked; after the first that failed the rest of the batch is not tried.
func TestTransformOfAnUnavailableServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var there atomic.Bool
		var asked atomic.Int32
		src := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			told := make(chan error, 1)
			var b event.Batch
			for i := range 10 {
				b.Events = append(b.Events, &event.Event{Time: time.Now(), Data: fmt.Append(nil, i)})
			}
			b.Ack = ackTo(func(err error) { told <- err })
			_ = out.Emit(ctx, b)
			if err := <-told; err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		})
		got, parked := &notes[string]{}, &notes[string]{}
		spec := transformSpec(func(e *event.Event, emit func(*event.Event)) error {
			if !there.Load() {
				asked.Add(1)
				return plugin.Unavailable(errSink)
			}
			emit(e)
			return nil
		})
		into := func(n *notes[string]) plugin.Sink {
			return sinkFunc(func(_ context.Context, e []*event.Event) error { n.add(texts(e)...); return nil })
		}
		route := RouteSpec{Name: "r", From: []string{"in"}, Through: []TransformSpec{spec}, To: []string{"out"}, DeadLetter: "parked"}
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", src)},
			Sinks:   []SinkSpec{sinkSpec("out", into(got), nil), sinkSpec("parked", into(parked), nil)},
			Routes:  []RouteSpec{route},
		})
		time.Sleep(time.Minute)
		n := asked.Load()
		there.Store(true)
		time.Sleep(time.Second + time.Millisecond)
		if len(parked.all()) > 0 || len(got.all()) != 10 || n < 60 || n > 130 {
			t.Errorf("asked %d times, delivered %v, parked %v", n, got.all(), parked.all())
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
