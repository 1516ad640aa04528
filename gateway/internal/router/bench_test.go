package router

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
)

// counts is a sink that says when it has got all it waits for.
type counts struct {
	got  atomic.Int64
	want int64
	all  chan struct{}
}

func (c *counts) Write(_ context.Context, events []*event.Event) error {
	if c.got.Add(int64(len(events))) == c.want {
		close(c.all)
	}
	return nil
}

// BenchmarkRouter is the router's own work, from Emit until the plugin has the event:
// the time and the allocations of one event and sink.
func BenchmarkRouter(b *testing.B) {
	for _, c := range []struct {
		batch, sinks int
		receipts     bool
	}{{1, 1, false}, {1, 1, true}, {1, 3, true}, {64, 1, false}, {64, 1, true}, {64, 3, true}} {
		name := fmt.Sprintf("batch=%d/sinks=%d/receipts=%v", c.batch, c.sinks, c.receipts)
		b.Run(name, func(b *testing.B) { benchmarkRouter(b, c.batch, c.sinks, c.receipts) })
	}
}

func benchmarkRouter(b *testing.B, batch, sinks int, receipts bool) {
	n := (b.N + batch - 1) / batch
	total := int64(n * batch)
	events := make([]*event.Event, batch)
	now := time.Now()
	for i := range events {
		events[i] = &event.Event{Source: "in", Channel: "c", Time: now, Data: make([]byte, 330)}
	}
	begin := make(chan struct{})
	source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		<-begin
		flight := inflight.NewPositionTracker(0)
		for i := range n {
			b := event.Batch{Events: events}
			if receipts {
				b.Ack = flight.Add(i+1, len(events))
			}
			if err := out.Emit(ctx, b); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	})
	g := Graph{Sources: []SourceSpec{sourceSpec("in", source)}, DrainTimeout: time.Second}
	var ends []*counts
	route := RouteSpec{Name: "r", From: []string{"in"}}
	for i := range sinks {
		s := &counts{want: total, all: make(chan struct{})}
		ends = append(ends, s)
		g.Sinks = append(g.Sinks, sinkSpec(fmt.Sprint("s", i), s, nil))
		route.To = append(route.To, fmt.Sprint("s", i))
	}
	g.Routes = []RouteSpec{route}
	r := New(slog.New(slog.DiscardHandler))
	p, err := r.Plan(g, table{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, p) }()
	if err := p.WaitReady(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	close(begin)
	for _, s := range ends {
		<-s.all
	}
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total)/float64(sinks), "ns/event·sink")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
