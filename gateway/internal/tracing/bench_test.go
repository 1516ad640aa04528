package tracing

import (
	"testing"
	"time"
)

// BenchmarkWrite is what a write of one event costs: while tracing is off, while its trace is not recorded, and while it is.
func BenchmarkWrite(b *testing.B) {
	for name, c := range map[string]struct {
		tracer *Tracer
		parent string
	}{"off": {nil, inA}, "not recorded": {newQueue(1), notInC}, "recorded": {newQueue(1), inA}} {
		b.Run(name, func(b *testing.B) {
			var s Switch
			s.Set(c.tracer)
			events := eventsOf(c.parent)
			b.ReportAllocs()
			for b.Loop() {
				span := s.Tracer().Writes("bus", events)
				span.Set("attempt", 1)
				span.End(OutcomeDelivered, nil)
			}
		})
	}
}

// BenchmarkEncode is what the exporter's goroutine does for a span of a request of 512.
func BenchmarkEncode(b *testing.B) {
	t := newQueue(1)
	s := newSender(DefaultOptions(), "1.2.3")
	batch := make([]*Span, batchSize)
	for i := range batch {
		batch[i] = t.Writes("bus", eventsOf(inA))
		batch[i].Set("attempt", 1)
		batch[i].end, batch[i].outcome = time.Now(), OutcomeDelivered
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.encode(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchSize, "ns/span")
}
