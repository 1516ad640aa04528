package websocket

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	clients     prometheus.Gauge
	lag         prometheus.Gauge
	disconnects *prometheus.CounterVec
	// filterErrors counts events that are in no topic of a filter which failed on them.
	filterErrors prometheus.Counter
	filtersEnded *prometheus.CounterVec
	filterBytes  prometheus.Gauge
	skipped      prometheus.Counter
	refused      prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		clients: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_websocket_clients", Help: "Clients that are connected.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_websocket_lag_messages", Help: "Messages that the slowest client was behind when the log's last chunk was full.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_websocket_skipped_total", Help: "Messages that slow clients were not sent (slow_client: drop_oldest or conflate).",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_websocket_refused_total", Help: "Clients that the limits have kept out.",
		}),
		filterErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_websocket_filter_errors_total", Help: "Events for which a client's filter could not be evaluated: they are not sent to it.",
		}),
		filterBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_websocket_filter_bytes", Help: "Bytes that subscriptions of channels and filters keep (limits.filter_memory).",
		}),
		filtersEnded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_websocket_filters_ended_total",
			Help: "Subscriptions of channels and filters that were ended, by reason: time (limits.filter_time), memory, behind (beyond max_lag), failed.",
		}, []string{"reason"}),
		disconnects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_websocket_disconnects_total",
			Help: "Clients that are gone, by reason: client (left or lost), slow (beyond max_lag), stuck (write_timeout), policy, filter (it was ended), panic (of the sink, for this client), shutdown.",
		}, []string{"reason"}),
	}
}

func (m *metrics) register(reg prometheus.Registerer) error {
	return errors.Join(reg.Register(m.clients), reg.Register(m.lag), reg.Register(m.disconnects), reg.Register(m.filterErrors), reg.Register(m.filtersEnded), reg.Register(m.filterBytes), reg.Register(m.skipped), reg.Register(m.refused))
}
