package redisstream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// emits is an Output whose Emit is this.
type emits struct {
	plugintest.Output
	f func(ctx context.Context, b event.Batch) error
}

func (e emits) Emit(ctx context.Context, b event.Batch) error { return e.f(ctx, b) }

// during calls f while a Run of s emits into out, and ends it.
func during(t *testing.T, s *source, emit func(context.Context, event.Batch) error, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, emits{f: emit}) }()
	f()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestOldComesBeforeNew, however much of what is old is on its way still.
func TestOldComesBeforeNew(t *testing.T) {
	fresh(t)
	s := made(t, member("order", "a"))
	const n = maxEntries + 100
	acks := make(chan func(error), n+1)
	var last func(error)
	during(t, s, func(_ context.Context, b event.Batch) error { acks <- b.Ack.Settle; return nil }, func() {
		add(t, "order", numbers(0, n)...)
		add(t, "order", "old")
		for range n {
			<-acks
		}
		last = <-acks
	})
	last(errors.New("given back"))
	add(t, "order", "new")
	got := make(chan string, 10)
	during(t, s, func(_ context.Context, b event.Batch) error { got <- string(b.Events[0].Data); return nil }, func() {
		if a, b := <-got, <-got; a != "old" || b != "new" {
			t.Errorf("%s came before %s", a, b)
		}
	})
}

// TestOnlyDeliveriesCount: what is on its way is not delivered again by another Run, and so
// not counted against max_deliveries.
func TestOnlyDeliveriesCount(t *testing.T) {
	fresh(t)
	client := testenv.RedisClient(t)
	s := made(t, member("count", "a", func(o *Options) { o.MaxDeliveries = 3 }))
	add(t, "count", "patient")
	got := make(chan event.Batch, 10)
	emit := func(_ context.Context, b event.Batch) error { got <- b; return nil }
	during(t, s, emit, func() { <-got })
	for range 5 {
		during(t, s, emit, func() {
			add(t, "count", "other")
			(<-got).Ack.Settle(nil)
		})
	}
	pending, err := client.XPendingExt(t.Context(), &redis.XPendingExtArgs{Stream: "count", Group: "g", Start: "-", End: "+", Count: 10}).Result()
	if err != nil || len(pending) == 0 || pending[0].RetryCount != 1 {
		t.Errorf("%+v, %v", pending, err)
	}
}

// TestRunEndsForWhatIsGivenBack also while it waits for the routes: else the others take its
// consumer for dead.
func TestRunEndsForWhatIsGivenBack(t *testing.T) {
	fresh(t)
	s := made(t, member("held", "a"))
	got := make(chan event.Batch, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Run(t.Context(), emits{f: func(ctx context.Context, b event.Batch) error {
			got <- b
			if string(b.Events[0].Data) != "2" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}})
	}()
	add(t, "held", "1", "2")
	one := <-got
	<-got
	one.Ack.Settle(errors.New("refused"))
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "nacked: refused") {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(testenv.Wait):
		t.Fatal("it waits for the routes")
	}
}

// TestAttemptsOfOthersAreNotKept: what another gateway with this consumer's name has delivered
// meanwhile leaves nothing behind.
func TestAttemptsOfOthersAreNotKept(t *testing.T) {
	fresh(t)
	client := testenv.RedisClient(t)
	former := made(t, member("left", "a"))
	got := make(chan event.Batch, 10)
	add(t, "left", "x")
	var b event.Batch
	during(t, former, func(_ context.Context, b event.Batch) error { got <- b; return nil }, func() { b = <-got })
	during(t, made(t, member("left", "a")), func(_ context.Context, b event.Batch) error { b.Ack.Settle(nil); return nil }, func() {
		testenv.Eventually(t, testenv.Wait, "acked", func() bool { n, _ := pending(t, client, "left"); return n == 0 })
	})
	b.Ack.AttemptFailed(1, time.Now())
	b.Ack.Settle(errors.New("stopping"))
	if err := former.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := client.Exists(t.Context(), "{left}:group:g:tried").Val(); n != 0 {
		t.Error("the attempts stay for ever")
	}
}
