package postgresnotify

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"eventgateway/gateway/event"
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

// TestAllocationsPerNotification bounds the allocations from the socket to Emit: six of pgx, and the event.
func TestAllocationsPerNotification(t *testing.T) {
	const events = 2000
	s := newTestSource(t, nil)
	out := counter{ready: make(chan struct{}), got: &atomic.Int64{}, want: events, all: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, out) }()
	<-out.ready
	db := testenv.Connect(t)
	each := testing.AllocsPerRun(5, func() {
		exec(t, db, `SELECT pg_notify('`+channel+`', n || repeat('x', 300)) FROM generate_series(1, 2000) n`)
		select {
		case <-out.all:
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(testenv.Wait):
			t.Fatalf("only %d of %d events", out.got.Load(), events)
		}
	}) / events
	if each > 8 {
		t.Errorf("%.1f allocations per notification, want at most 8", each)
	}
	t.Logf("%.2f allocations per notification", each)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
