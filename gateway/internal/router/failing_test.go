package router

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// badThenGood emits events of which those that begin with bad fail, each with a key of its
// own, and a minute later good ones.
func badThenGood(bad, good int) plugin.Source {
	return sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		emit := func(text string, n int) {
			for i := range n {
				e := &event.Event{Time: time.Now(), Key: fmt.Sprint(text, i), Data: fmt.Appendf(nil, "%s %d", text, i)}
				_ = out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: ackTo(func(error) {})})
			}
		}
		emit("bad", bad)
		time.Sleep(time.Minute)
		emit("good", good)
		<-ctx.Done()
		return nil
	})
}

func badFails(text string) error {
	time.Sleep(10 * time.Millisecond) // of the bubble
	if strings.HasPrefix(text, "bad") {
		return errSink
	}
	return nil
}

// TestFailingEventsDoNotStarveOthers, however many fail: neither the breaker's probes nor
// the attempts of a crowd are theirs alone.
func TestFailingEventsDoNotStarveOthers(t *testing.T) {
	for name, set := range map[string]func(*delivery.Options){
		"breaker":    func(*delivery.Options) {},
		"no breaker": func(d *delivery.Options) { d.Breaker.Failures = 0 },
		"schedule":   func(d *delivery.Options) { d.Retry.Schedule = standardSchedule[:3] },
	} {
		for _, bad := range []int{1, 10, 25} {
			for _, workers := range []int{1, 8} {
				t.Run(fmt.Sprint(name, bad, "x", workers), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						got := &notes[string]{}
						r := start(t, Graph{
							Sources: []SourceSpec{sourceSpec("in", badThenGood(bad, 10))},
							Sinks: []SinkSpec{sinkSpec("out", eventsFail(got, badFails), func(d *delivery.Options) {
								d.Queue.Batch, d.Workers = 1, workers
								set(d)
							})},
							Routes: routeTo("out"),
						})
						time.Sleep(time.Hour)
						if n := len(got.all()); n != 10 {
							t.Errorf("after an hour %d of 10 are delivered: %+v", n, r.Status().Sinks[0])
						}
						if err := r.stop(); err != nil {
							t.Error(err)
						}
					})
				})
			}
		}
	}
}

// TestRateAsksTheBreakerAgain: who has waited for the rate does not write where somebody
// else has seen meanwhile that it is of no use.
func TestRateAsksTheBreakerAgain(t *testing.T) {
	for name, err := range map[string]error{"disabled": plugin.Disabling(errSink), "a pause": plugin.RetryAfter(errSink, time.Minute)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var writes atomic.Int32
				r := start(t, Graph{
					Sources: []SourceSpec{sourceSpec("in", emits(100, nil))},
					Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(context.Context, []*event.Event) error { writes.Add(1); return err }), func(d *delivery.Options) {
						d.Queue.Batch, d.Ordering, d.Workers, d.Rate = 1, delivery.OrderingNone, 50, 1
					})},
					Routes: routeTo("out"),
				})
				time.Sleep(59 * time.Second)
				if n := writes.Load(); n != 1 {
					t.Errorf("%d writes", n)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestStopDoesNotWaitForTheBreaker where nothing is there to write.
func TestStopDoesNotWaitForTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(20, nil))},
			Sinks: []SinkSpec{sinkSpec("out", eventsFail(&notes[string]{}, func(string) error { return errSink }), func(d *delivery.Options) {
				d.Queue.Batch, d.Retry.Attempts, d.Breaker.Pause = 1, 1, options.Duration(7*time.Second)
			})},
			Routes: routeTo("out"),
		})
		time.Sleep(time.Millisecond)
		if st := r.Status().Sinks[0]; st.Breaker.State != stats.BreakerOpen || st.Waiting() > 0 {
			t.Errorf("%+v", st)
		}
		begin := time.Now()
		if err := r.stop(); err != nil || time.Since(begin) > 0 {
			t.Errorf("stopped after %v: %v", time.Since(begin), err)
		}
	})
}

// TestPanicKeepsTheOrder: of the events of a batch that are then written alone, one fails;
// the later ones of its key wait for it.
func TestPanicKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &notes[string]{}
		failed := false
		sink := sinkFunc(func(_ context.Context, events []*event.Event) error {
			if len(events) > 1 {
				panic("more than one")
			}
			if string(events[0].Data) == "1" && !failed {
				failed = true
				return plugin.Failed(map[int]error{0: errSink})
			}
			got.add(texts(events)...)
			return nil
		})
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			var b event.Batch
			for i := range 4 {
				b.Events = append(b.Events, &event.Event{Key: "k", Time: time.Now(), Data: fmt.Append(nil, i)})
			}
			_ = out.Emit(ctx, b)
			<-ctx.Done()
			return nil
		})
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", source)}, Sinks: []SinkSpec{sinkSpec("out", sink, nil)}, Routes: routeTo("out")})
		time.Sleep(time.Hour)
		if s := fmt.Sprint(got.all()); s != "[0 1 2 3]" {
			t.Errorf("got %s", s)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestAskedPauseIsForAll: a write that began before the receiver asked for a pause, and is
// well, does not end it.
func TestAskedPauseIsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		writes := &notes[string]{}
		src := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			for i := range 20 {
				_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: fmt.Sprint(i), Data: fmt.Append(nil, i)}}})
			}
			<-ctx.Done()
			return nil
		})
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", src)},
			Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(ctx context.Context, e []*event.Event) error {
				d := time.Since(begin)
				writes.add(fmt.Sprint(string(e[0].Data), "@", d))
				switch {
				case d < time.Second && string(e[0].Data) == "0":
					time.Sleep(5 * time.Second) // accepted before the limit
					return nil
				case d < time.Minute:
					time.Sleep(time.Second)
					return plugin.RetryAfter(errSink, time.Minute)
				}
				return nil
			}), func(d *delivery.Options) { d.Queue.Batch, d.Workers = 1, 2 })},
			Routes: routeTo("out"),
		})
		time.Sleep(50 * time.Second)
		if w := writes.all(); len(w) > 2 {
			t.Errorf("written within the minute that the receiver has asked for: %v", w)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
