package stats

import (
	"math"
	"slices"
)

// RecentLatency is the latency of the events that a sink has delivered in the last five minutes, since their receipt by the source.
type RecentLatency struct {
	Seconds int    `json:"seconds"` // how far back it reaches: 300, or less after the start
	Events  uint64 `json:"events"`
	// P50 and P99 are milliseconds, interpolated within a bucket of the histogram; nil if there were no events.
	P50 *float64 `json:"p50"`
	P99 *float64 `json:"p99"`
}

// A figures keeps the latencies of the last five minutes in parts of ten seconds.
const (
	recentPart  = 10 // seconds
	recentParts = 30
)

// recentLatencies are latencies of some minutes.
type recentLatencies struct {
	number [recentParts]int64 // of the part, from 1 on since the start of the history; 0: there is none
	parts  [recentParts]Latencies
}

// add adds latencies of one second.
func (r *recentLatencies) add(second int64, l Latencies) {
	n := second/recentPart + 1
	i := n % recentParts
	if r.number[i] != n {
		r.number[i], r.parts[i] = n, nil
	}
	r.parts[i] = r.parts[i].plus(l)
}

// sum returns the latencies up to a second.
func (r *recentLatencies) sum(second int64) (l Latencies) {
	for i, n := range r.number {
		if last := second/recentPart + 1; n > last-recentParts && n > 0 {
			l = l.plus(r.parts[i])
		}
	}
	return l
}

// RecentLatency returns the latency of a sink. known is false if the history has none of a sink with the name.
func (h *History) RecentLatency(sink string) (r RecentLatency, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.components["sink "+sink]
	if f == nil || !slices.Contains(f.names, "p99") {
		return r, false
	}
	l := f.recent.sum(h.last)
	for _, n := range l {
		r.Events += n
	}
	r.Seconds = int(min(h.last+1, recentPart*recentParts))
	of := func(q float64) *float64 {
		ms := l.quantile(q) * 1000
		if math.IsNaN(ms) {
			return nil
		}
		return &ms
	}
	r.P50, r.P99 = of(0.5), of(0.99)
	return r, true
}
