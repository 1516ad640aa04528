package router

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestQueueFullOfWhatStays: a source that waits for room in it shows as stalled while nothing
// is settled, and as going on afterwards.
func TestQueueFullOfWhatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := DefaultDelivery()
		d.Queue.Size = 2
		q := newQueue(d)
		q.name = "shop"
		s := &source{component: component{log: slog.New(slog.NewTextHandler(t.Output(), nil))}}
		rec := newReceipt(func(error) {})
		rec.of = s
		events := []*event.Event{{Key: "1"}, {Key: "2"}, {Key: "3"}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			rec.add(3)
			if _, err := q.put(context.Background(), events, rec); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(stallAfter / 2)
		if s.stall.status() != nil {
			t.Error("it is stalled at once")
		}
		time.Sleep(stallAfter)
		st := s.stall.status()
		if st == nil || !strings.Contains(st.Reason, "the queue of the sink shop is full") {
			t.Fatalf("stalled: %+v", st)
		}
		batch, _, _ := q.take(context.Background(), nil, 1)
		q.settle(batch, delivered)
		finish(batch, nil)
		<-done
		if st := s.stall.status(); st != nil {
			t.Errorf("still stalled: %+v", st)
		}
	})
}

// TestOneThatStaysOpensNoBreaker: that one event fails again and again says nothing of others.
func TestOneThatStaysOpensNoBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := make(chan struct{})
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			for _, text := range []string{"bad", "good"} {
				e := &event.Event{Time: time.Now(), Key: text, Data: []byte(text)}
				if err := out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: func(error) {}}); err != nil {
					return plugin.Ended(ctx, err)
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
