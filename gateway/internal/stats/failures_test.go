package stats

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestFailuresAreCountedByText proves that a Monitor keeps the latest failures with their counts, and that its successor does.
func TestFailuresAreCountedByText(t *testing.T) {
	m := NewMonitor(slog.New(slog.DiscardHandler))
	for i := range 3 * mostFailures {
		m.Failed(fmt.Errorf("reason %d", i))
		m.Down(errors.New("always"), time.Second)
	}
	m.Failed(errors.New(strings.Repeat("é", maxFailureBytes)))
	m.Stopped()
	next := NewMonitor(slog.New(slog.DiscardHandler))
	next.Failed(errors.New("of the successor"))
	next.Inherit(m)
	got := next.Failures()
	switch {
	case len(got) != mostFailures:
		t.Fatalf("%d failures", len(got))
	case got[0].Text != "of the successor" || len(got[1].Text) > maxFailureBytes+3:
		t.Errorf("the latest: %.40q, %.40q", got[0].Text, got[1].Text)
	case got[2].Text != "always" || got[2].Count != 3*mostFailures || got[2].First.Equal(got[2].Last):
		t.Errorf("a failure that repeats: %+v", got[2])
	case got[3].Text != fmt.Sprintf("reason %d", 3*mostFailures-1) || got[3].Count != 1:
		t.Errorf("the latest other one: %+v", got[3])
	}
}

// TestRecentLatencyForgets proves that the recent latency has the events of the last five minutes, and no older ones.
func TestRecentLatencyForgets(t *testing.T) {
	h := NewHistory()
	counts := make(Latencies, len(classicBounds)+1)
	at := func(second int) {
		wall := h.start.Add(time.Duration(second) * time.Second)
		h.record(time.Duration(second)*time.Second, wall, Sample{Status: Status{Sinks: []SinkStatus{{Name: "out"}}},
			Measures: map[string]SinkMeasures{"out": {Latency: append(Latencies{}, counts...)}}})
	}
	at(0)
	counts[len(counts)-1] += 100 // slow ones
	at(1)
	if r, _ := h.RecentLatency("out"); r.Events != 100 || r.P50 == nil || *r.P50 != 300_000 || r.Seconds != 2 {
		t.Errorf("%+v", r)
	}
	counts[0] += 50
	at(310)
	r, known := h.RecentLatency("out")
	if !known || r.Events != 50 || *r.P99 > 0.5 || r.Seconds != 300 {
		t.Errorf("%+v", r)
	}
	at(1000)
	if r, _ := h.RecentLatency("out"); r.Events != 0 || r.P50 != nil {
		t.Errorf("%+v", r)
	}
	if _, known := h.RecentLatency("other"); known {
		t.Error("a sink that does not exist has a latency")
	}
}
