package router

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// TestStuckDeadLetterSinkIsNoReasonToStop for those that can be delivered: whoever parks
// holds nothing that others wait for.
func TestStuckDeadLetterSinkIsNoReasonToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &notes[string]{}
		stuck := sinkFunc(func(ctx context.Context, _ []*event.Event) error { <-ctx.Done(); return ctx.Err() })
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", badThenGood(5, 100))},
			Sinks: []SinkSpec{
				sinkSpec("out", eventsFail(got, badFails), func(d *delivery.Options) {
					d.Queue.Batch, d.Workers, d.Retry.Attempts, d.DeadLetter = 1, 8, 4, "dead"
				}),
				sinkSpec("dead", stuck, func(d *delivery.Options) { d.Queue.Size, d.Queue.Batch = 1, 1 }),
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
				sinkSpec("out", eventsFail(&notes[string]{}, func(string) error { return plugin.Permanent(errSink) }), func(d *delivery.Options) { d.DeadLetter = "dead" }),
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
			b.Ack = ackTo(func(error) {})
			_ = out.Emit(ctx, b)
			time.Sleep(time.Second)
			_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: "once", Data: []byte("once2")}, {Time: time.Now(), Key: "free", Data: []byte("free")}}, Ack: ackTo(func(error) {})})
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
				}), func(d *delivery.Options) { d.Workers, d.DeadLetter = 8, "dead" }),
				sinkSpec("dead", stuck, func(d *delivery.Options) { d.Queue.Size, d.Queue.Batch = 1, 1 }),
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
			_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: "k", Data: []byte("x"), Attempts: &event.Attempts{Failed: 2, Last: time.Now()}}}, Ack: ackTo(func(error) {}), DeadLetter: errSink})
			<-ctx.Done()
			return nil
		})
		g := Graph{Sources: []SourceSpec{sourceSpec("in", src)}, Sinks: []SinkSpec{
			sinkSpec("out", eventsFail(got, func(string) error { return nil }), nil),
			sinkSpec("dead", eventsFail(dead, func(string) error { return nil }), func(d *delivery.Options) { d.Retry.Schedule = []options.Duration{seconds(3600), seconds(36000)} }),
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
