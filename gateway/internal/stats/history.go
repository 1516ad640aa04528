package stats

import (
	"crypto/rand"
	"math"
	"sync"
	"time"
)

// HistoryLength is how many seconds a History keeps.
const HistoryLength = 900

// History keeps a few figures of each component for the last 15 minutes, one for each second. A figure takes 4 bytes: about 29 KB
// for a sink, 15 KB for a source or a route, whatever the load is. A component that a reload replaces goes on with the
// figures of its predecessor; those of a removed one are forgotten.
type History struct {
	run   string // differs between two runs of the gateway
	start time.Time

	mu         sync.Mutex
	last       int64         // number of the latest second, from 0 on; -1 before the first
	lastAt     time.Time     // when it was recorded, by the wall clock
	lastPassed time.Duration // from start until then, by the monotonic clock
	asleep     time.Duration // how long the machine was suspended, while the monotonic clock stood still
	total      *figures
	components map[string]*figures
}

// Sample is what a History records at a time.
type Sample struct {
	Status
	Measures map[string]SinkMeasures // by the name of the sink
}

// SinkMeasures are figures of a sink that are not part of its status.
type SinkMeasures struct {
	Latency Latencies
	Clients float64 // connected ones; NaN for a sink that has none
}

// The figures by kind of component. Those of counters are differences from one second to the next.
var (
	totalFigures  = []string{"in", "out", "queued", "errors", "dead_letters", "p50", "p99", "clients"}
	sourceFigures = []string{"out", "in_flight", "errors", "gaps"}
	routeFigures  = []string{"in", "out", "errors", "dead_letters"}
	sinkFigures   = []string{"in", "out", "queued", "errors", "dead_letters", "p50", "p99", "clients"}
)

// figures are the figures of one component.
type figures struct {
	names   []string
	values  [][HistoryLength]float32 // by name, then by second modulo the length; NaN: not measured
	before  counters                 // at the last sample; nil before the first
	latency Latencies                // at the last sample
	recent  recentLatencies
	seen    int64 // the last second in which the component ran
}

// NewHistory returns an empty history, which begins now.
func NewHistory() *History {
	return &History{run: rand.Text()[:8], start: time.Now(), last: -1, total: newFigures(totalFigures), components: map[string]*figures{}}
}

func newFigures(names []string) *figures {
	f := &figures{names: names, values: make([][HistoryLength]float32, len(names))}
	for i := range f.values {
		for j := range f.values[i] {
			f.values[i][j] = float32(math.NaN())
		}
	}
	return f
}

// maxClockStep is how far the wall clock may be set ahead until the step counts as a suspension of the machine.
const maxClockStep = 2 * time.Second

// Record records a sample that was taken now. Seconds for which no sample was recorded, because the process was stopped or the machine
// suspended, have no figures.
func (h *History) Record(s Sample) {
	now := time.Now()
	h.record(now.Sub(h.start), now.Round(0), s)
}

// record records a sample that was taken when passed had passed since start by the monotonic clock.
func (h *History) record(passed time.Duration, wall time.Time, s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	asleep := h.asleep
	if h.last >= 0 {
		if ahead := wall.Sub(h.lastAt) - (passed - h.lastPassed); ahead > maxClockStep {
			asleep += ahead
		}
	}
	second := int64((passed + asleep) / time.Second)
	if second <= h.last {
		return // the next sample has its events, too
	}
	h.forget(h.last+1, second)
	h.last, h.lastAt, h.lastPassed, h.asleep = second, wall, passed, asleep
	total := counters{"in": 0, "out": 0, "queued": 0, "errors": 0, "dead_letters": 0}
	var latency Latencies
	clients := math.NaN()
	for _, c := range s.Sources {
		f := h.component("source "+c.Name, sourceFigures)
		grown := f.counters(second, counters{"out": c.Emitted, "errors": c.Errors, "gaps": c.Gaps})
		f.set(second, "in_flight", float64(c.Outstanding))
		total["in"] += grown["out"]
		total["errors"] += grown["errors"]
	}
	for _, c := range s.Routes {
		grown := h.component("route "+c.Name, routeFigures).counters(second, counters{"in": c.In, "out": c.Out, "errors": c.Errors, "dead_letters": c.DeadLettered})
		total["errors"] += grown["errors"]
		total["dead_letters"] += grown["dead_letters"]
	}
	for _, c := range s.Sinks {
		f := h.component("sink "+c.Name, sinkFigures)
		grown := f.counters(second, counters{"in": c.In, "out": c.Delivered, "errors": c.Errors, "dead_letters": c.DeadLettered})
		f.set(second, "queued", float64(c.Queued))
		if m, measured := s.Measures[c.Name]; measured {
			latency = latency.plus(f.observe(second, m.Latency))
			f.set(second, "clients", m.Clients)
			if math.IsNaN(clients) {
				clients = m.Clients
			} else if !math.IsNaN(m.Clients) {
				clients += m.Clients
			}
		}
		total["out"] += grown["out"]
		total["queued"] += c.Queued
		total["errors"] += grown["errors"]
		total["dead_letters"] += grown["dead_letters"]
	}
	for name, n := range total {
		h.total.set(second, name, float64(n))
	}
	h.total.set(second, "clients", clients)
	h.total.quantiles(second, latency)
	for name, f := range h.components {
		if f.seen != second { // a reload has removed it
			delete(h.components, name)
		}
	}
}

func (h *History) component(name string, names []string) *figures {
	f := h.components[name]
	if f == nil {
		f = newFigures(names)
		h.components[name] = f
	}
	f.seen = h.last
	return f
}

// forget removes older figures from the places of the seconds from first to last.
func (h *History) forget(first, last int64) {
	first = max(first, last-HistoryLength+1)
	for second := first; second <= last; second++ {
		for _, f := range h.components {
			f.clear(second)
		}
		h.total.clear(second)
	}
}

func (f *figures) clear(second int64) {
	for i := range f.values {
		f.values[i][second%HistoryLength] = float32(math.NaN())
	}
}

func (f *figures) set(second int64, name string, value float64) {
	for i := range f.names {
		if f.names[i] == name {
			f.values[i][second%HistoryLength] = float32(value)
		}
	}
}

// counters are values that only grow, by name.
type counters map[string]uint64

// counters sets how much counters have grown since the last sample, or since the component began, and returns it.
func (f *figures) counters(second int64, now counters) (grown counters) {
	grown = counters{}
	for name, n := range now {
		grown[name] = n - min(n, f.before[name]) // 0 for a counter that began anew
		f.set(second, name, float64(grown[name]))
	}
	f.before = now
	return grown
}

// observe sets the quantiles of the latencies since the last sample, and returns these latencies.
func (f *figures) observe(second int64, now Latencies) (passed Latencies) {
	passed = now.minus(f.latency)
	f.latency = now
	f.recent.add(second, passed)
	f.quantiles(second, passed)
	return passed
}

func (f *figures) quantiles(second int64, l Latencies) {
	f.set(second, "p50", l.quantile(0.5)*1000)
	f.set(second, "p99", l.quantile(0.99)*1000)
}
