package router

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// TestStopDeliversBehindAGap, through a whole router.
func TestStopDeliversBehindAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &notes[string]{}
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			emit := func(key, text string) {
				_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: key, Data: []byte(text)}}})
			}
			emit("a", "a1")
			time.Sleep(1500 * time.Millisecond)
			emit("busy", "busy")
			time.Sleep(100 * time.Millisecond) // it is being written
			emit("a", "a2")
			out.Gap("connection lost")
			emit("b", "b1")
			<-ctx.Done()
			return nil
		})
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", source)},
			Sinks: []SinkSpec{sinkSpec("out", eventsFail(got, func(text string) error {
				time.Sleep(time.Second)
				if text == "a1" {
					return errSink
				}
				return nil
			}), func(d *delivery.Options) { d.Queue.Batch, d.Retry.Schedule = 1, []options.Duration{seconds(3600)} })},
			Routes: routeTo("out"),
		})
		time.Sleep(1700 * time.Millisecond)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if !slices.Contains(got.all(), "b1") {
			t.Errorf("delivered %v", got.all())
		}
	})
}
