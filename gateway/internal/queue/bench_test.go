package queue

import (
	"fmt"
	"testing"

	"eventgateway/gateway/event"
)

// BenchmarkQueue is the queue's own work, in one goroutine: put, take and settle, of one event
// as postgres-outbox emits it.
func BenchmarkQueue(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint("workers=", workers), func(b *testing.B) {
			d := testConfig()
			d.Shared = workers > 1
			q := New(d)
			events := make([]*event.Event, 64)
			for i := range events {
				events[i] = &event.Event{Key: fmt.Sprint("public.orders:", i), Attrs: []event.Attr{{Name: "table", Value: "public.orders"}, {Name: "operation", Value: "UPDATE"}}, Data: make([]byte, 330)}
			}
			var batch []Item
			b.ReportAllocs()
			for b.Loop() {
				_ = q.Put(b.Context(), events, nil)
				batch, _, _ = q.Take(b.Context(), batch[:0], len(events))
				q.Complete(batch, Delivered)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
		})
	}
}
