package httpserver

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts the connections of all listeners of a gateway. It is a
// [prometheus.Collector].
type Metrics struct {
	connections *prometheus.GaugeVec
	refusals    *prometheus.CounterVec
}

// NewMetrics returns metrics that count nothing yet.
func NewMetrics() *Metrics {
	return &Metrics{
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_http_connections", Help: "Connections that are open, WebSocket clients included.",
		}, []string{"listener"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_http_refused_total", Help: "Connections and requests that http.limits have refused.",
		}, []string{"listener", "reason"}),
	}
}

// Describe is part of [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.connections.Describe(ch)
	m.refusals.Describe(ch)
}

// Collect is part of [prometheus.Collector].
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.connections.Collect(ch)
	m.refusals.Collect(ch)
}

// of returns the metrics of one listener, with every reason at 0.
func (m *Metrics) of(listener string) listenerMetrics {
	counters := map[string]prometheus.Counter{}
	for _, reason := range []string{"connections", "address"} {
		counters[reason] = m.refusals.WithLabelValues(listener, reason)
	}
	return listenerMetrics{
		connections: m.connections.WithLabelValues(listener),
		refused:     func(reason string) { counters[reason].Inc() },
	}
}

type listenerMetrics struct {
	connections prometheus.Gauge
	refused     func(reason string)
}
