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
				_ = out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: func(error) {}})
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
	for name, set := range map[string]func(*Delivery){
		"breaker":    func(*Delivery) {},
		"no breaker": func(d *Delivery) { d.Breaker.Failures = 0 },
		"schedule":   func(d *Delivery) { d.Retry.Schedule = standardSchedule[:3] },
	} {
		for _, bad := range []int{1, 10, 25} {
			for _, workers := range []int{1, 8} {
				t.Run(fmt.Sprint(name, bad, "x", workers), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						got := &notes[string]{}
						r := start(t, Graph{
							Sources: []SourceSpec{sourceSpec("in", badThenGood(bad, 10))},
							Sinks: []SinkSpec{sinkSpec("out", eventsFail(got, badFails), func(d *Delivery) {
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

// TestStuckDeadLetterSinkIsNoReasonToStop for those that can be delivered: whoever parks
// holds nothing that others wait for.
func TestStuckDeadLetterSinkIsNoReasonToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &notes[string]{}
		stuck := sinkFunc(func(ctx context.Context, _ []*event.Event) error { <-ctx.Done(); return ctx.Err() })
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", badThenGood(5, 100))},
			Sinks: []SinkSpec{
				sinkSpec("out", eventsFail(got, badFails), func(d *Delivery) {
					d.Queue.Batch, d.Workers, d.Retry.Attempts, d.DeadLetter = 1, 8, 4, "dead"
				}),
				sinkSpec("dead", stuck, func(d *Delivery) { d.Queue.Size, d.Queue.Batch = 1, 1 }),
			},
			Routes: routeTo("out"),
		})
		time.Sleep(24 * time.Hour)
		if n := len(got.all()); n != 100 {
			t.Errorf("%d are delivered: %+v", n, r.Status().Sinks[0])
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestStoppedDeadLetterSinkGivesBack what it was writing: the books balance, and the source
// hears of it.
func TestStoppedDeadLetterSinkGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acked := &notes[error]{}
		dead := sinkFunc(func(ctx context.Context, _ []*event.Event) error { <-ctx.Done(); return ctx.Err() })
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(1, func(err error) { acked.add(err) }))},
			Sinks: []SinkSpec{
				sinkSpec("out", eventsFail(&notes[string]{}, func(string) error { return plugin.Permanent(errSink) }), func(d *Delivery) { d.DeadLetter = "dead" }),
				sinkSpec("dead", dead, nil),
			},
			Routes: routeTo("out"),
		})
		time.Sleep(time.Second)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if told := acked.all(); len(told) != 1 || told[0] == nil {
			t.Errorf("told %v", told)
		}
	})
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
					Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(context.Context, []*event.Event) error { writes.Add(1); return err }), func(d *Delivery) {
						d.Queue.Batch, d.Ordering, d.Workers, d.Rate = 1, OrderingNone, 50, 1
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
			Sinks: []SinkSpec{sinkSpec("out", eventsFail(&notes[string]{}, func(string) error { return errSink }), func(d *Delivery) {
				d.Queue.Batch, d.Retry.Attempts, d.Breaker.Pause = 1, 1, options.Duration(7*time.Second)
			})},
			Routes: routeTo("out"),
		})
		time.Sleep(time.Millisecond)
		if st := r.Status().Sinks[0]; st.Breaker.State != BreakerOpen || st.Waiting() > 0 {
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
				return &plugin.Partial{Failed: map[int]error{0: errSink}}
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
			}), func(d *Delivery) { d.Queue.Batch, d.Workers = 1, 2 })},
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

// TestStuckDeadLetterSinkHoldsUpNobodyElse of a batch of which some are parked.
func TestStuckDeadLetterSinkHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &notes[string]{}
		stuck := sinkFunc(func(ctx context.Context, _ []*event.Event) error { <-ctx.Done(); return ctx.Err() })
		src := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			var b event.Batch
			for _, k := range []string{"bad1", "bad2", "bad3", "once", "bad4"} {
				b.Events = append(b.Events, &event.Event{Time: time.Now(), Key: k, Data: []byte(k)})
			}
			b.Ack = func(error) {}
			_ = out.Emit(ctx, b)
			time.Sleep(time.Second)
			_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: "once", Data: []byte("once2")}, {Time: time.Now(), Key: "free", Data: []byte("free")}}, Ack: func(error) {}})
			<-ctx.Done()
			return nil
		})
		failed := false
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", src)},
			Sinks: []SinkSpec{
				sinkSpec("out", eventsFail(got, func(text string) error {
					if text[0] == 'b' {
						return plugin.Permanent(errSink)
					}
					if text == "once" && !failed {
						failed = true
						return errSink
					}
					return nil
				}), func(d *Delivery) { d.Workers, d.DeadLetter = 8, "dead" }),
				sinkSpec("dead", stuck, func(d *Delivery) { d.Queue.Size, d.Queue.Batch = 1, 1 }),
			},
			Routes: routeTo("out"),
		})
		time.Sleep(24 * time.Hour)
		if n := len(got.all()); n != 3 {
			t.Errorf("after a day: %v; %+v", got.all(), r.Status().Sinks[0].QueueCounts)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestAttemptsAreThoseOfASink: what is parked is new to the dead-letter sink.
func TestAttemptsAreThoseOfASink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, dead := &notes[string]{}, &notes[string]{}
		src := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: "k", Data: []byte("x"), Tried: &event.Tried{Attempts: 2, Last: time.Now()}}}, Ack: func(error) {}, Refused: errSink})
			<-ctx.Done()
			return nil
		})
		g := Graph{Sources: []SourceSpec{sourceSpec("in", src)}, Sinks: []SinkSpec{
			sinkSpec("out", eventsFail(got, func(string) error { return nil }), nil),
			sinkSpec("dead", eventsFail(dead, func(string) error { return nil }), func(d *Delivery) { d.Retry.Schedule = []options.Duration{seconds(3600), seconds(36000)} }),
		}, Routes: routeTo("out")}
		g.Routes[0].DeadLetter = "dead"
		r := start(t, g)
		time.Sleep(time.Minute)
		if len(dead.all()) != 1 {
			t.Errorf("a dead letter waits although its sink works: %+v", r.Status().Sinks[1].QueueCounts)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
