package tracing

import "github.com/prometheus/client_golang/prometheus"

// The reasons why a span was dropped.
const (
	dropQueue    = "queue"    // the queue was full, because the receiver was slow or away
	dropExport   = "export"   // the receiver was away for too long, or refused the request
	dropRejected = "rejected" // the receiver took the request, but not this span
	dropStop     = "stop"     // it was not sent in time at the stop, or before a reload changed the receiver
)

// Metrics counts the spans of all tracers of a gateway. It is a [prometheus.Collector].
type Metrics struct {
	exported prometheus.Counter
	dropped  *prometheus.CounterVec
}

// NewMetrics returns metrics with the value 0.
func NewMetrics() *Metrics {
	m := &Metrics{
		exported: prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_trace_spans_exported_total", Help: "Spans that the receiver has taken."}),
		dropped:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gateway_trace_spans_dropped_total", Help: "Spans that were dropped. No event is."}, []string{"reason"}),
	}
	for _, reason := range []string{dropQueue, dropExport, dropRejected, dropStop} {
		m.dropped.WithLabelValues(reason)
	}
	return m
}

// Describe is part of [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.exported.Describe(ch)
	m.dropped.Describe(ch)
}

// Collect is part of [prometheus.Collector].
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.exported.Collect(ch)
	m.dropped.Collect(ch)
}

// drop counts n spans as dropped.
func (m *Metrics) drop(reason string, n int) { m.dropped.WithLabelValues(reason).Add(float64(n)) }
