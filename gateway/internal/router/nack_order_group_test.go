package router_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
	"eventgateway/sources/redisstream"
)

// writes is a sink with a Write and nothing else.
type writes func(ctx context.Context, events []*event.Event) error

func (f writes) Write(ctx context.Context, events []*event.Event) error { return f(ctx, events) }

func sinkOf(name string, f writes) router.SinkSpec {
	t := plugin.NewSink("test", "", func() struct{} { return struct{}{} }, func(struct{}, plugin.Env) (plugin.Sink, error) { return f, nil })
	d := delivery.DefaultOptions()
	d.Queue.Batch = 1
	return router.SinkSpec{Name: name, Type: t, Options: t.Defaults(), Delivery: d}
}

// TestNackInGroupKeepsOrder proves that a consumer group redelivers a later entry of a key after an earlier one. One sink
// refuses the earlier entry, of which a slow sink still has a copy.
func TestNackInGroupKeepsOrder(t *testing.T) {
	client, ctx := testenv.RedisClient(t), testenv.Context(t)
	const stream, name = "nack_order_group", "g"
	if err := client.Del(ctx, stream).Err(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string
	refused, took := false, make(chan struct{})
	refuses := sinkOf("refuses", func(_ context.Context, events []*event.Event) error {
		mu.Lock()
		defer mu.Unlock()
		text := string(events[0].Data)
		if !refused && text == "first" {
			refused = true
			return plugin.Permanent(errors.New("refused"))
		}
		if got = append(got, text); len(got) == 1 {
			close(took)
		}
		return nil
	})
	slow := sinkOf("slow", func(ctx context.Context, _ []*event.Event) error { // waits until the other sink has got the later entry
		select {
		case <-took:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	typ := redisstream.Type()
	o := typ.Defaults().(*redisstream.Options)
	o.URL, o.Stream, o.Group, o.Consumer, o.From = options.NewURL(testenv.Redis(t).URL()), stream, name, "one", "start"
	r := router.New(slog.New(slog.NewTextHandler(t.Output(), nil)))
	p, err := r.Plan(router.Graph{
		Sources:      []router.SourceSpec{{Name: "in", Type: typ, Options: o}},
		Sinks:        []router.SinkSpec{refuses, slow},
		Routes:       []router.RouteSpec{{Name: "r", From: []string{"in"}, To: []string{"refuses", "slow"}}},
		DrainTimeout: 10 * time.Second,
	}, httpserver.NewTable())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second"} {
		if err := client.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []string{"data", text}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running, p) }()
	testenv.Eventually(t, testenv.Wait, "all delivered and acked", func() bool {
		pending, err := client.XPending(ctx, stream, name).Result()
		mu.Lock()
		defer mu.Unlock()
		return len(got) >= 2 && err == nil && pending.Count == 0
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := len(got); !slices.Equal(got[n-2:], []string{"first", "second"}) {
		t.Errorf("delivered %q: the later entry was not redelivered after the first", got)
	}
	if err := r.Status().ConservedAtRest(); err != nil {
		t.Error(err)
	}
}
