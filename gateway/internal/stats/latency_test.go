package stats

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"eventgateway/gateway/event"
)

// gathered returns the metrics of a registry by their names.
func gathered(t testing.TB, reg *prometheus.Registry) map[string]*dto.Metric {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*dto.Metric{}
	for _, f := range families {
		all[f.GetName()] = f.GetMetric()[0]
	}
	return all
}

func observeAll(l *Latency, now time.Time, events []*event.Event) {
	l.Delivered(now, len(events), func(i int) *event.Event { return events[i] })
}

// TestLatency proves which events each histogram has, in classic and in native buckets, and that a negative time is 0 and counted.
func TestLatency(t *testing.T) {
	reg, now := prometheus.NewRegistry(), time.Now()
	l := NewLatency(reg, "bus")
	observeAll(l, now, []*event.Event{
		{Time: now.Add(-time.Second)},
		{Time: now.Add(-2 * time.Second), Origin: now.Add(-4 * time.Second)},
		{Time: now.Add(-time.Second), Origin: now.Add(time.Hour)},
		{}, // a transform has made it anew
	})
	all := gathered(t, reg)
	for name, want := range map[string]struct {
		count uint64
		sum   float64
	}{"gateway_latency_seconds": {3, 4}, "gateway_end_to_end_latency_seconds": {2, 4}} {
		h := all[name].GetHistogram()
		if h.GetSampleCount() != want.count || h.GetSampleSum() != want.sum {
			t.Errorf("%s: %d observations, sum %v, want %v", name, h.GetSampleCount(), h.GetSampleSum(), want)
		}
		native := int64(h.GetZeroCount())
		count := int64(0)
		for _, delta := range h.GetPositiveDelta() {
			count += delta
			native += count
		}
		if native != int64(want.count) || len(h.GetBucket()) < 10 {
			t.Errorf("%s: %d observations in native buckets, and %d classic buckets", name, native, len(h.GetBucket()))
		}
	}
	if n := l.Negative(); n != 1 {
		t.Errorf("%v negative latencies", n)
	}
}

// TestExemplars proves that only events of sampled traces give an exemplar, with the ID of the trace.
func TestExemplars(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for text, want := range map[string]string{
		"00-" + id + "-00f067aa0ba902b7-01": id,
		"00-" + id + "-00f067aa0ba902b7-00": "", // its spans are not recorded
		"00-" + id + "-00f067aa0ba902b7":    "",
		"":                                  "",
	} {
		reg, now := prometheus.NewRegistry(), time.Now()
		observeAll(NewLatency(reg, "bus"), now, []*event.Event{{Time: now, Origin: now, Attrs: []event.Attr{{Name: event.AttrTraceParent, Value: text}}}})
		for _, name := range []string{"gateway_latency_seconds", "gateway_end_to_end_latency_seconds"} {
			h, got := gathered(t, reg)[name].GetHistogram(), ""
			for _, b := range h.GetBucket() {
				if x := b.GetExemplar(); x != nil {
					got = x.GetLabel()[0].GetName() + "=" + x.GetLabel()[0].GetValue()
				}
			}
			if want != "" && got != "trace_id="+want || want == "" && got != "" || len(h.GetExemplars()) != min(len(want), 1) {
				t.Errorf("%s of an event with traceparent %q: exemplar %q, %d native ones", name, text, got, len(h.GetExemplars()))
			}
		}
	}
}

// TestNativeBuckets proves that each duration is in the bucket that the client library puts it into.
func TestNativeBuckets(t *testing.T) {
	theirs := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "theirs", Buckets: classicBounds, NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: zeroThreshold,
	})
	reg, ours := prometheus.NewRegistry(), newHistogram(prometheus.NewDesc("ours", "Help.", nil, nil))
	reg.MustRegister(theirs, ours)
	observe := func(d time.Duration) {
		theirs.Observe(d.Seconds())
		ours.observe(d, &event.TraceParent{}, time.Now())
	}
	observe(0)
	observe(math.MaxInt64)
	ours.sum = 0 // it is too large
	for d := time.Duration(1); d < 300*time.Hour; d += 1 + d/50 {
		observe(d)
	}
	for _, bound := range classicBounds {
		observe(time.Duration(bound * 1e9))
	}
	for doubling := range 30 {
		observe(time.Second >> doubling)
		observe(time.Second << (doubling % 20))
	}
	all := gathered(t, reg)
	for _, m := range all {
		h := m.GetHistogram()
		h.SampleSum, h.CreatedTimestamp = nil, nil
	}
	if got, want := all["ours"].GetHistogram().String(), all["theirs"].GetHistogram().String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// delivered returns a batch as sinks deliver it.
func delivered(n int, kind string) (events []*event.Event) {
	now := time.Now()
	for i := range n {
		at := now.Add(time.Duration(-i) * time.Millisecond)
		e := &event.Event{Time: at, Attrs: []event.Attr{{Name: "table", Value: "orders"}, {Name: "operation", Value: "INSERT"}}}
		if kind != "received" {
			e.Origin = at
		}
		if kind == "traced" {
			e.Attrs = append(e.Attrs, event.Attr{Name: event.AttrTraceParent, Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
		}
		events = append(events, e)
	}
	return events
}

var kinds = []string{"received", "origin", "traced"}

// TestLatencyAllocations proves that an event costs no allocation.
func TestLatencyAllocations(t *testing.T) {
	l := NewLatency(prometheus.NewRegistry(), "bus")
	for _, kind := range kinds {
		events := delivered(100, kind)
		if n := testing.AllocsPerRun(100, func() { observeAll(l, time.Now(), events) }); n != 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
}

// BenchmarkLatency measures the observations of delivered events, in batches.
func BenchmarkLatency(b *testing.B) {
	for _, kind := range kinds {
		for _, n := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/batch=%d", kind, n), func(b *testing.B) {
				l, events, now := NewLatency(prometheus.NewRegistry(), "bus"), delivered(n, kind), time.Now()
				b.ReportAllocs()
				for b.Loop() {
					observeAll(l, now, events)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/event")
			})
		}
	}
}
