package router

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/plugin"
)

// replays is a source of a log whose events have one key. Each Run emits the events that are not acked, and ends when a
// batch was nacked, as postgres-outbox does.
type replays struct {
	log    []string
	flight *inflight.PositionTracker[int]
}

func (s *replays) Run(ctx context.Context, out plugin.Output) error {
	var todo []int
	if s.flight == nil {
		for i := range s.log {
			todo = append(todo, i)
		}
	} else {
		todo = s.flight.Unacked()
	}
	s.flight = inflight.NewPositionTracker(-1)
	out.Ready()
	for _, i := range todo {
		events := []*event.Event{{Key: "k", Data: []byte(s.log[i])}}
		if err := out.Emit(ctx, event.Batch{Events: events, Ack: s.flight.Add(i, len(events))}); err != nil {
			return plugin.UnlessDone(ctx, err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.flight.Changed:
			if _, failed := s.flight.State(); failed != nil {
				return failed
			}
		}
	}
}

// TestNackKeepsOrder proves that a later event of a key is redelivered after an earlier one, even if it was delivered. One
// sink refuses the earlier event, of which a slow sink still has a copy.
func TestNackKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused, release := false, make(chan struct{})
		strict := &keeps{}
		refuses := sinkFunc(func(ctx context.Context, events []*event.Event) error {
			if !refused && string(events[0].Data) == "first" {
				refused = true
				return plugin.Permanent(errSink)
			}
			return strict.Write(ctx, events)
		})
		slow := sinkFunc(func(context.Context, []*event.Event) error { <-release; return nil })
		firstOnly := transformSpec(func(e *event.Event, emit func(*event.Event)) error {
			if string(e.Data) == "first" {
				emit(e)
			}
			return nil
		})
		source := &replays{log: []string{"first", "second"}}
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", source)},
			Sinks: []SinkSpec{
				sinkSpec("refuses", refuses, func(d *delivery.Options) { d.Queue.Batch = 1 }),
				sinkSpec("slow", slow, func(d *delivery.Options) { d.Timeout = seconds(3600) }),
			},
			Routes: []RouteSpec{
				{Name: "all", From: []string{"in"}, To: []string{"refuses"}},
				{Name: "some", From: []string{"in"}, To: []string{"slow"}, Through: []TransformSpec{firstOnly}},
			},
		})
		synctest.Wait()
		close(release)
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := texts(strict.got); !slices.Equal(got, []string{"second", "first", "second"}) {
			t.Errorf("delivered %q: the second event was not redelivered after the first", got)
		}
		if open := source.flight.Unacked(); len(open) > 0 {
			t.Errorf("not acked: %v", open)
		}
	})
}
