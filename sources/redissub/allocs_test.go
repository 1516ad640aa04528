package redissub

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// counter is an Output that counts events.
type counter struct {
	plugintest.Output
	ready chan struct{}
	got   *atomic.Int64
	want  int64
	all   chan struct{} // gets a value at want events
}

func (c counter) Ready() { close(c.ready) }

func (c counter) Emit(_ context.Context, b event.Batch) error {
	if c.got.Add(int64(len(b.Events))) == c.want {
		c.got.Store(0)
		c.all <- struct{}{}
	}
	return nil
}

// TestAllocationsPerMessage bounds the allocations from the socket to Emit. Of these, go-redis makes ten;
// the event is ours.
func TestAllocationsPerMessage(t *testing.T) {
	const events = 2000
	o := Type().Defaults().(*Options)
	o.URL, o.Channels = options.NewURL(testenv.Redis(t).URL()), []string{"allocations"}
	s, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	out := counter{ready: make(chan struct{}), got: &atomic.Int64{}, want: events, all: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, out) }()
	<-out.ready
	client, payload := testenv.RedisClient(t), strings.Repeat("x", 300)
	publish := `for i = 1, tonumber(ARGV[1]) do redis.call('PUBLISH', 'allocations', ARGV[2]) end`
	each := testing.AllocsPerRun(5, func() {
		if err := client.Eval(t.Context(), publish, nil, events, payload).Err(); err != nil && err.Error() != "redis: nil" {
			t.Fatal(err)
		}
		select {
		case <-out.all:
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(testenv.Wait):
			t.Fatalf("only %d of %d events", out.got.Load(), events)
		}
	}) / events
	if each > 11.5 {
		t.Errorf("%.1f allocations per message, want at most 11", each)
	}
	t.Logf("%.2f allocations per message", each)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
