package router

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics exports a router's Status, and the histogram that no status holds.
// gateway/docs/metrics.md lists the names.
type metrics struct {
	router  *Router
	latency *prometheus.HistogramVec
}

func newMetrics(r *Router) *metrics {
	return &metrics{router: r, latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "gateway_latency_seconds",
		Help:    "Time from when the source received an event until the sink had it.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	}, []string{"sink"})}
}

func (m *metrics) register(reg prometheus.Registerer) error {
	if err := reg.Register(m.latency); err != nil {
		return err
	}
	return reg.Register(m)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gateway_"+name, help, labels, nil)
}

var (
	descUp     = desc("up", "1 while the component is connected and works.", "kind", "component")
	descErrors = desc("errors_total", "Failures: runs of a source that ended, writes of a sink that failed.", "kind", "component")

	descEmitted     = desc("source_events_total", "Events that the source emitted.", "source")
	descAcked       = desc("source_acked_total", "Events settled at the source.", "source")
	descNacked      = desc("source_nacked_total", "Events given back to the source.", "source")
	descOutstanding = desc("source_outstanding", "Events emitted and not yet settled.", "source")
	descGaps        = desc("source_gaps_total", "Times that events may have been missed.", "source")

	descRouteIn       = desc("route_in_total", "Events that entered the route.", "route")
	descRouteAdded    = desc("route_added_total", "Events that transforms made beside the one they got.", "route")
	descRouteFiltered = desc("route_filtered_total", "Events that a transform left out.", "route")
	descRouteDead     = desc("route_dead_lettered_total", "Events that a transform failed on.", "route")
	descRouteOut      = desc("route_out_total", "Events that went on to each sink of the route.", "route")

	descSinkIn      = desc("sink_in_total", "Events put into the sink's queue.", "sink")
	descDelivered   = desc("sink_delivered_total", "Events delivered.", "sink")
	descDropped     = desc("sink_dropped_total", "Events dropped by the sink's queue.", "sink", "reason")
	descSinkDead    = desc("sink_dead_lettered_total", "Events that could not be delivered.", "sink")
	descReturned    = desc("sink_returned_total", "Events given up at shutdown.", "sink")
	descRetries     = desc("sink_retries_total", "Writes that were attempts after the first.", "sink")
	descQueued      = desc("sink_queue_events", "Events that wait in the sink's queue.", "sink")
	descQueuedBytes = desc("sink_queue_bytes", "Payload bytes that wait in the sink's queue.", "sink")
	descWriting     = desc("sink_writing", "Events in the write under way.", "sink")
)

// Describe is part of [prometheus.Collector].
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect is part of [prometheus.Collector].
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		send(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n uint64, labels ...string) {
		send(d, prometheus.GaugeValue, float64(n), labels...)
	}
	up := func(h Health, kind, name string) {
		n := uint64(0)
		if h.Up {
			n = 1
		}
		gauge(descUp, n, kind, name)
	}
	st := m.router.Status()
	for _, s := range st.Sources {
		up(s.Health, "source", s.Name)
		counter(descErrors, s.Errors, "source", s.Name)
		counter(descEmitted, s.Emitted, s.Name)
		counter(descAcked, s.Acked, s.Name)
		counter(descNacked, s.Nacked, s.Name)
		gauge(descOutstanding, s.Outstanding, s.Name)
		counter(descGaps, s.Gaps, s.Name)
	}
	for _, r := range st.Routes {
		counter(descRouteIn, r.In, r.Name)
		counter(descRouteAdded, r.Added, r.Name)
		counter(descRouteFiltered, r.Filtered, r.Name)
		counter(descRouteDead, r.DeadLettered, r.Name)
		counter(descRouteOut, r.Out, r.Name)
	}
	for _, s := range st.Sinks {
		up(s.Health, "sink", s.Name)
		counter(descErrors, s.Errors, "sink", s.Name)
		counter(descSinkIn, s.In, s.Name)
		counter(descDelivered, s.Delivered, s.Name)
		for reason, n := range s.Dropped {
			counter(descDropped, n, s.Name, reason)
		}
		counter(descSinkDead, s.DeadLettered, s.Name)
		counter(descReturned, s.Returned, s.Name)
		counter(descRetries, s.Retries, s.Name)
		gauge(descQueued, s.Queued, s.Name)
		gauge(descQueuedBytes, s.QueuedBytes, s.Name)
		gauge(descWriting, s.Writing, s.Name)
	}
}
