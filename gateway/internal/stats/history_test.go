package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"
)

// sampleOf returns a sample of one source and one sink.
func sampleOf(emitted, delivered, queued uint64, latency Latencies) Sample {
	return Sample{
		Status: Status{
			Sources: []SourceStatus{{Name: "in", SourceCounts: SourceCounts{Emitted: emitted, Outstanding: queued}}},
			Sinks:   []SinkStatus{{Name: "out", QueueCounts: QueueCounts{In: emitted, Delivered: delivered, Queued: queued}}},
		},
		Measures: map[string]SinkMeasures{"out": {Latency: latency, Clients: math.NaN()}},
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestHistory proves the figures of each second, that seconds in which the process stood still have none, and what a client gets
// that asks again.
func TestHistory(t *testing.T) {
	h := NewHistory()
	begin := time.UnixMilli(1_000_000)
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	record := func(seconds float64, s Sample) { h.record(at(seconds).Sub(begin), at(seconds), s) }
	if p := h.Page(""); p.Count != 0 || p.Start != 0 || len(p.Total["in"]) != 0 {
		t.Errorf("an empty history: %+v", p)
	}
	bucket := func(n uint64) Latencies { l := make(Latencies, len(classicBounds)+1); l[3] = n; return l }
	record(1.01, sampleOf(10, 10, 0, bucket(10)))
	record(2.3, sampleOf(30, 20, 10, bucket(20)))
	record(2.9, sampleOf(31, 20, 10, bucket(20))) // too early: it counts for the next second
	first := h.Page("")
	record(3.01, sampleOf(35, 35, 0, bucket(20)))
	record(7.5, sampleOf(36, 35, 1, nil)) // the process was stopped
	p := h.Page("")
	for name, c := range map[string]struct {
		got  Series
		want string
	}{
		"in":      {p.Total["in"], "[null,10,20,5,null,null,null,1]"},
		"out":     {p.Components["sink out"]["out"], "[null,10,10,15,null,null,null,0]"},
		"queued":  {p.Total["queued"], "[null,0,10,0,null,null,null,1]"},
		"p50":     {p.Total["p50"], "[null,3.75,3.75,null,null,null,null,null]"}, // between 2.5 and 5 ms
		"flight":  {p.Components["source in"]["in_flight"], "[null,0,10,0,null,null,null,1]"},
		"clients": {p.Total["clients"], "[null,null,null,null,null,null,null,null]"},
	} {
		if got := jsonOf(t, c.got); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if p.Count != 8 || !p.Whole || p.Start != at(0.5).UnixMilli() {
		t.Errorf("%d figures from %d on, want 8 from %d on", p.Count, p.Start, at(0.5).UnixMilli())
	}
	if p := h.Page(first.Next); p.Whole || p.Count != 5 || jsonOf(t, p.Total["in"]) != "[5,null,null,null,1]" {
		t.Errorf("since the first page: %+v", p)
	}
	if p := h.Page(p.Next); p.Whole || p.Count != 0 || jsonOf(t, p.Total["in"]) != "[]" {
		t.Errorf("nothing is new: %+v", p)
	}
	for _, since := range []string{"x", "other-3", h.run + "-99", h.run + "--5", h.run} {
		if p := h.Page(since); !p.Whole || p.Count != 8 {
			t.Errorf("since %s: %+v", since, p)
		}
	}
}

// TestHistoryForgets proves that the history keeps 15 minutes, starts anew after a longer stop, and forgets removed components.
func TestHistoryForgets(t *testing.T) {
	h, begin := NewHistory(), time.Now()
	for second := range 2 * HistoryLength {
		h.record(time.Duration(second)*time.Second, begin.Add(time.Duration(second)*time.Second), sampleOf(uint64(second), uint64(second), 0, nil))
	}
	p := h.Page("")
	if p.Count != HistoryLength || jsonOf(t, p.Total["in"][:2]) != "[1,1]" || jsonOf(t, p.Total["in"][HistoryLength-1:]) != "[1]" {
		t.Errorf("%d figures: %v", p.Count, p.Total["in"])
	}
	if old := h.Page(h.run + "-5"); !old.Whole || old.Count != HistoryLength {
		t.Errorf("a since that is too old: %d figures", old.Count)
	}
	h.record(5*HistoryLength*time.Second, begin.Add(5*HistoryLength*time.Second), Sample{Status: Status{Sinks: []SinkStatus{{Name: "other"}}}})
	p = h.Page("")
	measured := 0
	for _, v := range p.Total["queued"] {
		if !math.IsNaN(float64(v)) {
			measured++
		}
	}
	if measured != 1 || len(p.Components) != 1 || p.Components["sink other"] == nil {
		t.Errorf("%d seconds measured, components %v", measured, fmt.Sprint(len(p.Components)))
	}
}

// TestHistoryOfSuspendedMachine proves that the time in which a machine was suspended, and its monotonic clock stood still, has no
// figures.
func TestHistoryOfSuspendedMachine(t *testing.T) {
	h, begin := NewHistory(), time.Now()
	h.record(1100*time.Millisecond, begin, sampleOf(1, 1, 0, nil))
	h.record(2100*time.Millisecond, begin.Add(2*time.Second), sampleOf(1, 1, 0, nil)) // the clock was set ahead a little
	h.record(3100*time.Millisecond, begin.Add(12*time.Second), sampleOf(2, 2, 0, nil))
	if p := h.Page(""); p.Count != 13 || jsonOf(t, p.Total["in"]) != "[null,1,0,null,null,null,null,null,null,null,null,null,1]" {
		t.Errorf("%d figures: %v", p.Count, jsonOf(t, p.Total["in"]))
	}
}

// TestLatencies proves quantiles within buckets, beyond the last, and after a restart of the histogram.
func TestLatencies(t *testing.T) {
	l := make(Latencies, len(classicBounds)+1)
	if q := l.quantile(0.5); !math.IsNaN(q) {
		t.Errorf("of nothing: %v", q)
	}
	l[0], l[1] = 50, 50
	if got := []float64{l.quantile(0.25), l.quantile(0.5), l.quantile(0.75), l.quantile(1)}; fmt.Sprint(got) != "[0.00025 0.0005 0.00075 0.001]" {
		t.Errorf("%v", got)
	}
	l[len(l)-1] = 900
	if got := l.quantile(0.99); got != 300 {
		t.Errorf("beyond the last bound: %v", got)
	}
	restarted := make(Latencies, len(l))
	restarted[1] = 7
	if got := restarted.minus(l); fmt.Sprint(got) != fmt.Sprint(restarted) {
		t.Errorf("after a restart: %v", got)
	}
}
