package httpserver

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts the connections of all listeners of a gateway. It is a
// [prometheus.Collector].
type Metrics struct {
	connections *prometheus.GaugeVec
	refused     *prometheus.CounterVec
}

// NewMetrics returns metrics that are all 0.
func NewMetrics() *Metrics {
	return &Metrics{
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_http_connections", Help: "Open connections, WebSocket clients included.",
		}, []string{"listener"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_http_refused_total", Help: "Connections and requests that were refused by http.limits and http.proxy_protocol.",
		}, []string{"listener", "reason"}),
	}
}

// Describe is part of [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.connections.Describe(ch)
	m.refused.Describe(ch)
}

// Collect is part of [prometheus.Collector].
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.connections.Collect(ch)
	m.refused.Collect(ch)
}

// of returns the metrics of one listener, with every reason at 0.
func (m *Metrics) of(listener string) listenerMetrics {
	counters := map[string]prometheus.Counter{}
	for _, reason := range []string{"connections", "address", "proxy_protocol"} {
		counters[reason] = m.refused.WithLabelValues(listener, reason)
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
