package websocket

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics holds the metrics of the sink. Each word has one meaning, also outside of the metrics:
//
//   - lag: messages or bytes of its topic that a connected client was not sent yet; of a topic, those
//     of the main log that its feeder has not evaluated yet
//   - skipped: messages that a slow client, which stays connected, will never be sent
//   - dropped: events that never reached this sink, because its queue was full; counted by the
//     router, and here only a field of the gap message
//   - missed: messages that came while a client was disconnected; resume sends them, and they
//     are not counted
//   - refused: clients that got no connection, because of limits
//   - suppressed: log lines that were not written, because clients caused too many
type metrics struct {
	clients      prometheus.Gauge       // connected
	lag          prometheus.Gauge       // greatest lag of a client, in messages; measured once per chunk of the main log
	skipped      prometheus.Counter     // messages, once per client; with conflation only those that the client does not get
	refused      prometheus.Counter     // clients
	repeated     prometheus.Counter     // events that the history has already
	disconnects  *prometheus.CounterVec // clients, by reason
	filterErrors prometheus.Counter     // failed evaluations of filters
	filtersEnded *prometheus.CounterVec // topics that a feeder has ended, by reason
	filterBytes  prometheus.Gauge       // memory of the logs of filtered topics
	snapshots    *prometheus.CounterVec // by result
	snapshotRows prometheus.Counter     // that were sent

	compressedInput, compressedOutput prometheus.Counter // bytes of payloads that were compressed, before and after
}

// newMetrics returns metrics that are all 0, with every reason and result.
func newMetrics() *metrics {
	m := &metrics{
		clients: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_websocket_clients", Help: "Clients that are connected.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_websocket_lag_messages", Help: "Lag of the slowest client, in messages, when the last chunk of the log was completed.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_websocket_skipped_total", Help: "Messages that slow clients skipped (slow_client: drop_oldest or conflate), counted once per client.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_websocket_refused_total", Help: "Clients refused because of limits, max_topics, or a subscription that was not filled in time.",
		}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_websocket_repeated_total", Help: "Events that the source brought again, and that the history has or begins behind (history.from_source); clients are not sent them again.",
		}),
		filterErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_websocket_filter_errors_total", Help: "Evaluations of filters that failed; the clients of the filter are not sent the event.",
		}),
		filterBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_websocket_filter_bytes", Help: "Memory of the messages that subscriptions with channels or a filter share, in bytes (limits.filter_memory).",
		}),
		compressedInput: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_websocket_compressed_input_bytes_total", Help: "Bytes of payloads that were compressed, once for all clients, before compression.",
		}),
		compressedOutput: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_websocket_compressed_output_bytes_total", Help: "Bytes of the same payloads as they are sent to clients with compression.",
		}),
		snapshots: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_websocket_snapshots_total",
			Help: "Snapshots, by result: complete, failed (the table could not be read), cut (by the client, snapshot.timeout, a gap, a history that is too short, or a stop).",
		}, []string{"result"}),
		snapshotRows: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_websocket_snapshot_rows_total", Help: "Rows that snapshots sent.",
		}),
		filtersEnded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_websocket_filters_ended_total",
			Help: "Subscriptions that were ended, by reason: time (limits.filter_time), behind (a lag beyond max_lag), failed (panic).",
		}, []string{"reason"}),
		disconnects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_websocket_disconnects_total",
			Help: "Clients disconnected, by reason: client (by itself, or the connection was lost), slow (a lag beyond max_lag), stuck (write_timeout), policy (too many messages, or unread answers), auth (token expired, refused or missing), filter (its subscription was ended), panic (of the sink, for this client), shutdown, operator (by an operator).",
		}, []string{"reason"}),
	}
	for _, reason := range []string{"client", "slow", "stuck", "policy", "auth", "filter", "panic", "shutdown", "operator"} {
		m.disconnects.WithLabelValues(reason)
	}
	for _, reason := range []string{"time", "behind", "failed"} {
		m.filtersEnded.WithLabelValues(reason)
	}
	for _, result := range []string{"complete", "failed", "cut"} {
		m.snapshots.WithLabelValues(result)
	}
	return m
}

func (m *metrics) register(reg prometheus.Registerer) error {
	return errors.Join(reg.Register(m.clients), reg.Register(m.lag), reg.Register(m.disconnects), reg.Register(m.filterErrors), reg.Register(m.filtersEnded), reg.Register(m.filterBytes), reg.Register(m.skipped), reg.Register(m.repeated), reg.Register(m.refused), reg.Register(m.snapshots), reg.Register(m.snapshotRows), reg.Register(m.compressedInput), reg.Register(m.compressedOutput))
}
