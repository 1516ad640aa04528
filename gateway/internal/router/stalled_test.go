package router

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestOneThatStaysOpensNoBreaker: that one event fails again and again says nothing of others.
func TestOneThatStaysOpensNoBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := make(chan struct{})
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			for _, text := range []string{"bad", "good"} {
				e := &event.Event{Time: time.Now(), Key: text, Data: []byte(text)}
				if err := out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: ackTo(func(error) {})}); err != nil {
					return plugin.UnlessDone(ctx, err)
				}
				if text == "bad" {
					<-good
				}
			}
			<-ctx.Done()
			return nil
		})
		got := &notes[string]{}
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", source)},
			Sinks:   []SinkSpec{sinkSpec("out", eventsFail(got, badFails), nil)},
			Routes:  routeTo("out"),
		})
		time.Sleep(2 * time.Hour)
		close(good)
		time.Sleep(time.Second)
		if st := r.Status().Sinks[0]; len(got.all()) != 1 || st.Breaker.Opened > 0 || !st.Up {
			t.Errorf("delivered %v: %+v", got.all(), st)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
