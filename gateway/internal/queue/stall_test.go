package queue

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/stats"
)

// TestQueueFullOfWhatStays: a source that waits for room in it shows as stalled while nothing
// is settled, and as going on afterwards.
func TestQueueFullOfWhatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := testConfig()
		d.Size = 2
		d.Name = "shop"
		q := New(d)
		var stalled atomic.Pointer[string]
		source := ack.NewTracker(&stats.SourceRecord{}, func(reason string) { stalled.Store(&reason) })
		rec := receiptOf(source, func(error) {})
		events := []*event.Event{{Key: "1"}, {Key: "2"}, {Key: "3"}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			rec.Add(3)
			if err := q.Put(context.Background(), events, rec); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(stallAfter / 2)
		if stalled.Load() != nil {
			t.Error("it is stalled at once")
		}
		time.Sleep(stallAfter)
		st := stalled.Load()
		if st == nil || !strings.Contains(*st, "the queue of the sink shop is full") {
			t.Fatalf("stalled: %v", st)
		}
		batch, _, _ := q.Take(context.Background(), nil, 1)
		q.Complete(batch, Delivered)
		Done(batch, nil)
		<-done
		if st := stalled.Load(); *st != "" {
			t.Errorf("still stalled: %s", *st)
		}
	})
}
