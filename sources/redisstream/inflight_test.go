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

// emitFunc is an Output whose Emit calls f.
type emitFunc struct {
	plugintest.Output
	f func(ctx context.Context, b event.Batch) error
}

func (e emitFunc) Emit(ctx context.Context, b event.Batch) error { return e.f(ctx, b) }

// runDuring calls f while s runs, and then ends the run.
func runDuring(t *testing.T, s *source, emit func(context.Context, event.Batch) error, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, emitFunc{f: emit}) }()
	f()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestNackedEntryComesBeforeNew proves that an unacked entry comes before new ones, also behind many
// that are in flight.
func TestNackedEntryComesBeforeNew(t *testing.T) {
	flushRedis(t)
	s := newSource(t, member("order", "a"))
	const n = maxEntries + 100
	acks := make(chan func(error), n+1)
	var last func(error)
	runDuring(t, s, func(_ context.Context, b event.Batch) error { acks <- b.Ack.Settle; return nil }, func() {
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
	runDuring(t, s, func(_ context.Context, b event.Batch) error { got <- string(b.Events[0].Data); return nil }, func() {
		if a, b := <-got, <-got; a != "old" || b != "new" {
			t.Errorf("%s came before %s", a, b)
		}
	})
}

// TestInFlightEntriesAreNotRedelivered proves that another Run does not emit entries in flight, so
// they are not counted against max_deliveries.
func TestInFlightEntriesAreNotRedelivered(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	s := newSource(t, member("count", "a", func(o *Options) { o.MaxDeliveries = 3 }))
	add(t, "count", "patient")
	got := make(chan event.Batch, 10)
	emit := func(_ context.Context, b event.Batch) error { got <- b; return nil }
	runDuring(t, s, emit, func() { <-got })
	for range 5 {
		runDuring(t, s, emit, func() {
			add(t, "count", "other")
			(<-got).Ack.Settle(nil)
		})
	}
	pending, err := client.XPendingExt(t.Context(), &redis.XPendingExtArgs{Stream: "count", Group: "g", Start: "-", End: "+", Count: 10}).Result()
	if err != nil || len(pending) == 0 || pending[0].RetryCount != 1 {
		t.Errorf("%+v, %v", pending, err)
	}
}

// TestNackEndsTheRun proves that a nack ends Run also while it waits for the routes. Otherwise other
// consumers would claim its entries.
func TestNackEndsTheRun(t *testing.T) {
	flushRedis(t)
	s := newSource(t, member("held", "a"))
	got := make(chan event.Batch, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Run(t.Context(), emitFunc{f: func(ctx context.Context, b event.Batch) error {
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

// TestNoAttemptsOfAckedEntries proves that attempts are not stored for entries that another gateway
// with this consumer's name has acked meanwhile.
func TestNoAttemptsOfAckedEntries(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	former := newSource(t, member("left", "a"))
	got := make(chan event.Batch, 10)
	add(t, "left", "x")
	var b event.Batch
	runDuring(t, former, func(_ context.Context, b event.Batch) error { got <- b; return nil }, func() { b = <-got })
	runDuring(t, newSource(t, member("left", "a")), func(_ context.Context, b event.Batch) error { b.Ack.Settle(nil); return nil }, func() {
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
