package stats

import (
	"math"
	"slices"
)

// Latencies count events by their latency: one number for each bucket, and one for those beyond the last.
type Latencies []uint64

// Counts returns how many events the sink has delivered, by their latency since the receipt by the source.
func (l *Latency) Counts() Latencies {
	l.received.mu.Lock()
	defer l.received.mu.Unlock()
	return slices.Clone(l.received.classic)
}

// minus returns the events that were counted since before. A histogram that began anew since then counts from 0.
func (l Latencies) minus(before Latencies) Latencies {
	if len(l) != len(before) {
		return l
	}
	out := make(Latencies, len(l))
	for i := range l {
		if l[i] < before[i] {
			return l
		}
		out[i] = l[i] - before[i]
	}
	return out
}

// plus returns the sum; nil counts nothing.
func (l Latencies) plus(o Latencies) Latencies {
	if len(l) == 0 {
		return slices.Clone(o)
	}
	for i := range min(len(l), len(o)) {
		l[i] += o[i]
	}
	return l
}

// quantile returns the quantile q in seconds, interpolated within its bucket; NaN if nothing was counted. A quantile beyond the last
// bound is that bound.
func (l Latencies) quantile(q float64) float64 {
	total := uint64(0)
	for _, n := range l {
		total += n
	}
	if total == 0 {
		return math.NaN()
	}
	rank, below := q*float64(total), 0.0
	for i, n := range l[:len(l)-1] {
		if below+float64(n) >= rank && n > 0 {
			lower := 0.0
			if i > 0 {
				lower = classicBounds[i-1]
			}
			return lower + (classicBounds[i]-lower)*(rank-below)/float64(n)
		}
		below += float64(n)
	}
	return classicBounds[len(classicBounds)-1]
}
