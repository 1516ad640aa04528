package router

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/plugin"
)

// TestLostLeadershipGivesBackWhatWaits: whoever leads now brings it; what is being written
// is delivered, and events of other sources stay in the queue.
func TestLostLeadershipGivesBackWhatWaits(t *testing.T) {
	for _, workers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			var gone atomic.Bool
			acks := &notes[error]{}
			c := &candidate{
				part:   part{j: &journal{}, name: "in"},
				server: &lockServer{changed: make(chan struct{})},
				confirm: func(context.Context) error {
					if gone.Load() {
						return errors.New("the server is gone")
					}
					return nil
				},
			}
			emitted := false
			c.from = func(ctx context.Context, out plugin.Output) error {
				for i := range 20 {
					if emitted { // in the second run there is nothing
						break
					}
					e := &event.Event{Time: time.Now(), Key: fmt.Sprint(i % 5), Data: []byte("led")}
					_ = out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: ackTo(func(err error) { acks.add(err) })})
				}
				emitted = true
				<-ctx.Done()
				return nil
			}
			release := make(chan struct{})
			delivered := &notes[string]{}
			sink := sinkFunc(func(_ context.Context, events []*event.Event) error {
				<-release
				delivered.add(texts(events)...)
				return nil
			})
			g := candidateGraph(c, sink)
			g.Sinks[0].Delivery.Queue.Batch, g.Sinks[0].Delivery.Workers = 1, workers
			g.Sinks[0].Delivery.Timeout = seconds(3600)
			other := sourceSpec("other", sourceFunc(func(ctx context.Context, out plugin.Output) error {
				out.Ready()
				time.Sleep(time.Second)
				for i := range 5 {
					_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: fmt.Sprint(i), Data: []byte("other")}}, Ack: ackTo(func(error) {})})
				}
				<-ctx.Done()
				return nil
			}))
			g.Sources = append(g.Sources, other)
			g.Routes[0].From = append(g.Routes[0].From, "other")
			r := start(t, g)
			time.Sleep(5 * time.Second)
			gone.Store(true)
			time.Sleep(time.Minute)
			if told := acks.all(); len(told) != 20-workers || !errors.Is(told[0], ack.ErrNotLeading) {
				t.Errorf("%d workers: %d were given back: %v", workers, len(told), told)
			}
			gone.Store(false)
			close(release)
			time.Sleep(time.Minute)
			if got := delivered.all(); len(got) != workers+5 || got[len(got)-1] != "other" {
				t.Errorf("%d workers: delivered %v", workers, got)
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLostLeadershipInHands: what a worker has in its hands when the leadership is lost, and
// could not deliver, is given back, and not delivered by one that leads no more.
func TestLostLeadershipInHands(t *testing.T) {
	for name, failure := range map[string]func(n int) error{
		"whole": func(int) error { return errSink },
		"events": func(n int) error {
			failed := map[int]error{}
			for i := range n {
				failed[i] = errSink
			}
			return plugin.Failed(failed)
		},
		"panic": func(int) error { panic("sink") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var gone atomic.Bool
				acks, late := &notes[error]{}, &notes[string]{}
				c := &candidate{part: part{j: &journal{}, name: "in"}, server: &lockServer{changed: make(chan struct{})}}
				c.confirm = func(context.Context) error {
					if gone.Load() {
						return errSink
					}
					return nil
				}
				emitted := false
				c.from = func(ctx context.Context, out plugin.Output) error {
					for i := range 100 {
						if !emitted {
							_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: "k", Data: fmt.Append(nil, i)}}, Ack: ackTo(func(err error) { acks.add(err) })})
						}
					}
					emitted = true
					<-ctx.Done()
					return nil
				}
				begin := time.Now()
				g := candidateGraph(c, sinkFunc(func(_ context.Context, events []*event.Event) error {
					if time.Since(begin) > 2*time.Hour {
						late.add(texts(events)...)
						return nil
					}
					time.Sleep(10 * time.Second)
					return failure(len(events))
				}))
				g.Sinks[0].Delivery.Timeout = seconds(3600)
				r := start(t, g)
				time.Sleep(5 * time.Second)
				gone.Store(true)
				time.Sleep(24 * time.Hour)
				if len(late.all()) > 0 || len(acks.all()) != 100 {
					t.Errorf("%d were delivered late, %d settled", len(late.all()), len(acks.all()))
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestPanicGivesUpTheLeadership: another gateway has it, so what waits is given back.
func TestPanicGivesUpTheLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acks := &notes[error]{}
		c := &candidate{part: part{j: &journal{}, name: "in"}, server: &lockServer{changed: make(chan struct{})}}
		panicked := false
		c.from = func(ctx context.Context, out plugin.Output) error {
			if panicked {
				<-ctx.Done()
				return nil
			}
			for range 20 {
				_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Data: []byte("led")}}, Ack: ackTo(func(err error) { acks.add(err) })})
			}
			time.Sleep(time.Second)
			panicked = true
			panic("run")
		}
		release := make(chan struct{})
		g := candidateGraph(c, sinkFunc(func(context.Context, []*event.Event) error { <-release; return nil }))
		g.Sinks[0].Delivery.Queue.Batch, g.Sinks[0].Delivery.Timeout = 1, seconds(3600)
		r := start(t, g)
		time.Sleep(time.Minute)
		if n := len(acks.all()); n != 19 {
			t.Errorf("%d of 19 were given back", n)
		}
		close(release)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestStopSoonAfterAReload that has replaced or removed a source, of which events wait for a sink that
// is down.
func TestStopSoonAfterAReload(t *testing.T) {
	for name, next := range map[string]string{"replaced": "in", "removed": "another"} {
		t.Run(name, func(t *testing.T) { testStopSoonAfterAReload(t, next) })
	}
}

func testStopSoonAfterAReload(t *testing.T, next string) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		src := func(name string, version int) SourceSpec {
			return partSource(j, name, version, func(p *part) {
				p.from = func(ctx context.Context, out plugin.Output) error {
					if version == 1 {
						_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Data: []byte("x")}}, Ack: ackTo(func(err error) {})})
					}
					<-ctx.Done()
					return nil
				}
			})
		}
		down := sinkSpec("out", sinkFunc(func(_ context.Context, e []*event.Event) error { return errSink }), nil)
		g := Graph{Sources: []SourceSpec{src("in", 1)}, Sinks: []SinkSpec{down}, Routes: routeTo("out")}
		r := start(t, g)
		time.Sleep(time.Second)
		g.Sources = []SourceSpec{src(next, 2)}
		g.Routes = []RouteSpec{{Name: "r", From: []string{next}, To: []string{"out"}}}
		if err := r.reload(t, g); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		begin := time.Now()
		err := r.stop()
		if err != nil || time.Since(begin) > 8*time.Second {
			t.Errorf("stopped after %v: %v", time.Since(begin), err)
		}
	})
}
