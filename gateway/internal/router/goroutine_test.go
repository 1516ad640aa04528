package router

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// inGoroutine has a goroutine panic, and returns what plugin.Go makes of it.
func inGoroutine() error {
	ended := make(chan error, 1)
	plugin.Go(func() error { panic("goroutine") }, func(err error) { ended <- err })
	return <-ended
}

// TestPanicsOfGoroutines: one that plugin.Go has made an error counts as a panic. The source runs again,
// and the event of the sink is parked.
func TestPanicsOfGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		in := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			if runs++; runs == 1 {
				return inGoroutine()
			}
			if err := out.Emit(ctx, event.Batch{Events: []*event.Event{{Data: []byte("x")}}}); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		})
		sink := sinkFunc(func(context.Context, []*event.Event) error { return inGoroutine() })
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", in)}, Sinks: []SinkSpec{sinkSpec("out", sink, nil)}, Routes: routeTo("out")})
		time.Sleep(time.Hour)
		st := r.Status()
		if s := st.Sources[0]; s.Panics != 1 || runs != 2 || !s.Up {
			t.Errorf("%d runs, %+v", runs, s)
		}
		if s := st.Sinks[0]; s.Panics != 1 || s.DeadLettered != 1 {
			t.Errorf("%+v", s)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
