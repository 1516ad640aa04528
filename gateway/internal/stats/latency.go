package stats

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// Latency measures how long events take until their delivery by one sink. Its methods are safe for concurrent use.
type Latency struct {
	received, origin *histogram // since the receipt by the source, and since the origin time
	negative         atomic.Uint64
}

// NewLatency registers the latency metrics of one sink.
func NewLatency(reg prometheus.Registerer, sink string) *Latency {
	labels := prometheus.Labels{"sink": sink}
	l := &Latency{
		received: newHistogram(prometheus.NewDesc(reserved("gateway_latency_seconds"), "Time from the receipt of an event by the source until its delivery by the sink.", nil, labels)),
		origin:   newHistogram(prometheus.NewDesc(reserved("gateway_end_to_end_latency_seconds"), "Time from the origin time of an event until its delivery by the sink.", nil, labels)),
	}
	reg.MustRegister(l.received, l.origin) // the registry is new
	return l
}

// reserved returns the name of a metric of the router. No plugin may take it.
func reserved(name string) string {
	if !plugin.ReservedMetric(name) {
		panic("plugin.ReservedMetric does not know " + name)
	}
	return name
}

// Delivered observes the n events that one write has delivered. The time between two clocks may be negative: it counts as 0.
func (l *Latency) Delivered(now time.Time, n int, at func(i int) *event.Event) {
	l.received.mu.Lock()
	defer l.received.mu.Unlock()
	l.origin.mu.Lock()
	defer l.origin.mu.Unlock()
	for i := range n {
		e := at(i)
		trace, _ := e.TraceParent()
		if !e.Time.IsZero() { // zero: a transform has made the event anew
			l.received.observe(max(now.Sub(e.Time), 0), &trace, now)
		}
		if e.Origin.IsZero() {
			continue
		}
		took := now.Sub(e.Origin)
		if took < 0 {
			l.negative.Add(1)
		}
		l.origin.observe(max(took, 0), &trace, now)
	}
}

// Negative returns how many events had an origin time later than their delivery.
func (l *Latency) Negative() uint64 { return l.negative.Load() }
