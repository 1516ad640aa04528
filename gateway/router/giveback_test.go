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
					_ = out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: func(err error) { acks.add(err) }})
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
					_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: fmt.Sprint(i), Data: []byte("other")}}, Ack: func(error) {}})
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
			if told := acks.all(); len(told) != 20-workers || !errors.Is(told[0], errNotLeading) {
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
