package router

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// TestStopWithWindows: what can be delivered in time is, and the rest is given back.
func TestStopWithWindows(t *testing.T) {
	stuck := sinkFunc(func(ctx context.Context, _ []*event.Event) error { <-ctx.Done(); return ctx.Err() })
	for name, sink := range map[string]plugin.Sink{"works": &keeps{}, "is stuck": stuck} {
		t.Run("a sink that "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: func(s *scripted) {
					s.emit("0")
					s.emit("1")
					time.Sleep(1500 * time.Millisecond)
					s.emit("2")
					s.emit("3")
				}}
				g := windowed(s, sink, batchSpec(merges, nil))
				g.Sinks[0].Delivery.Queue.Size = 1
				r := start(t, g)
				time.Sleep(1600 * time.Millisecond)
				begin := time.Now()
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				took, good := time.Since(begin), 0
				for _, err := range s.acks.all() {
					if err == nil {
						good++
					}
				}
				if works := name == "works"; len(s.acks.all()) != 4 || works != (good == 4) || works != (took == 0) || took > 9*time.Second {
					t.Errorf("after %v: %v", took, s.acks.all())
				}
			})
		})
	}
}

// TestStopWhileAWindowIsApplied: the call is cut short, and its events are given back; one that does not
// return does not hold up the stop.
func TestStopWhileAWindowIsApplied(t *testing.T) {
	for _, returns := range []bool{true, false} {
		t.Run(fmt.Sprint("it returns: ", returns), func(t *testing.T) {
			entered, hang := make(chan struct{}), make(chan struct{})
			s := &script{steps: func(s *scripted) { s.emit("0") }}
			g := windowed(s, &keeps{}, batchSpec(func(ctx context.Context, _ plugin.Window, _ func(*event.Event)) error {
				close(entered)
				if returns {
					<-ctx.Done()
					return ctx.Err()
				}
				<-hang
				return errSink
			}, timed(time.Millisecond)))
			g.DrainTimeout = 400 * time.Millisecond
			r := newRouter(t)
			p, err := r.Plan(g, table{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- r.Run(ctx, p) }()
			<-entered
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			close(hang)
			for r.Status().Sources[0].Outstanding > 0 { // the call that was left behind settles it
				time.Sleep(time.Millisecond)
			}
			if err := r.Status().ConservedAtRest(); err != nil {
				t.Error(err)
			}
			if c := r.Status().Routes[0]; c.Returned != 1 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestStopFlushesRoutesApart: a sink that takes nothing holds up the windows of its own route.
func TestStopFlushesRoutesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &keeps{}
		stuck := sinkFunc(func(ctx context.Context, _ []*event.Event) error { <-ctx.Done(); return ctx.Err() })
		dead := sinkSpec("dead", stuck, nil)
		dead.Delivery.Queue.Size, dead.Delivery.Queue.MaxBlock = 1, options.Duration(time.Hour)
		hour := func(w *Window) { w.Time = options.Duration(10 * time.Minute) }
		g := Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(5, nil))},
			Sinks:   []SinkSpec{dead, sinkSpec("out", out, nil)},
			Routes: []RouteSpec{
				{Name: "a", From: []string{"in"}, Through: []TransformSpec{batchSpec(passes, hour)}, To: []string{"dead"}},
				{Name: "b", From: []string{"in"}, Through: []TransformSpec{batchSpec(passes, hour)}, To: []string{"out"}},
			},
		}
		r := start(t, g)
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if len(out.got) != 5 {
			t.Errorf("got %d of 5", len(out.got))
		}
	})
}
