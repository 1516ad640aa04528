package stats

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/plugin"
)

// NewLatency registers the latency histogram of one sink, which is not part of its status.
func NewLatency(reg prometheus.Registerer, sink string) prometheus.Observer {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:        latencyName,
		Help:        "Time from the receipt of an event by the source until its delivery by the sink.",
		ConstLabels: prometheus.Labels{"sink": sink},
		Buckets:     []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	})
	reg.MustRegister(h) // the registry is new
	return h
}

const latencyName = "gateway_latency_seconds"

// desc describes a metric. No plugin may take its name.
func desc(name, help string, labels ...string) *prometheus.Desc {
	if !plugin.ReservedMetric("gateway_" + name) {
		panic("plugin.ReservedMetric does not know gateway_" + name)
	}
	return prometheus.NewDesc("gateway_"+name, help, labels, nil)
}

// gateway/docs/metrics.md lists the names.
var (
	descUp        = desc("up", "1 while the component is connected and works, or stands by.", "kind", "component")
	descFailing   = desc("failing", "1 while the component fails, whether it is up or down.", "kind", "component")
	descAttempts  = desc("attempts", "Consecutive failed attempts in this outage; 0 while the component is up.", "kind", "component")
	descSince     = desc("up_changed_timestamp_seconds", "When gateway_up changed last.", "kind", "component")
	descErrorAt   = desc("last_error_timestamp_seconds", "When the last error of gateway_errors_total occurred.", "kind", "component")
	descErrors    = desc("errors_total", "Failures: runs of a source that ended, writes of a sink that failed, events that a transform of a route failed on.", "kind", "component")
	descPanics    = desc("panics_total", "Panics of the plugin.", "kind", "component")
	descLeader    = desc("leader", "1 while this gateway leads and captures, 0 while it stands by or is not connected.", "source", "leader")
	descConserved = desc("conserved", "1 while every event is accounted for; 0 is a bug in the gateway.")

	descEmitted     = desc("source_events_total", "Events that the source emitted.", "source")
	descAcked       = desc("source_acked_total", "Events acked at the source.", "source")
	descNacked      = desc("source_nacked_total", "Events nacked at the source, which redelivers them.", "source")
	descOutstanding = desc("source_outstanding", "Events emitted and not yet settled.", "source")
	descStalled     = desc("source_stalled", "1 while the source does not read because of events in flight.", "source")
	descGaps        = desc("source_gaps_total", "Gaps: times when events may have been missed.", "source")
	descAtStart     = desc("source_gaps_at_start_total", "Gaps that are counted at the start of the gateway.", "source")
	descPassedOn    = desc("source_gaps_passed_on_total", "Gaps that another gateway has counted, and that came through the source.", "source")
	descKeyless     = desc("source_keyless_total", "Events whose key could not be evaluated.", "source")

	descRouteIn       = desc("route_in_total", "Events that entered the route.", "route")
	descRouteAdded    = desc("route_added_total", "Events that transforms added to the ones they got.", "route")
	descRouteFiltered = desc("route_filtered_total", "Events that did not match the route, or that a transform filtered.", "route")
	descRouteMerged   = desc("route_merged_total", "Events by which batch transforms reduced their windows.", "route")
	descRouteHeld     = desc("route_held", "Events that wait in the windows of batch transforms.", "route")
	descRouteDropped  = desc("route_dropped_total", "Events that a transform failed on and that were dropped by on_error.", "route")
	descRouteDead     = desc("route_dead_lettered_total", "Events that a transform failed on and that were parked.", "route")
	descRouteReturned = desc("route_returned_total", "Events that a transform failed on and that were returned to their source.", "route")
	descRouteOut      = desc("route_out_total", "Events that were sent to each sink of the route.", "route")

	descSinkIn      = desc("sink_in_total", "Events put into the sink's queue.", "sink")
	descDelivered   = desc("sink_delivered_total", "Events delivered.", "sink")
	descDropped     = desc("sink_dropped_total", "Events dropped by the sink's queue.", "sink", "reason")
	descSinkDead    = desc("sink_dead_lettered_total", "Events that could not be delivered and were parked.", "sink")
	descReturned    = desc("sink_returned_total", "Events returned to their source, or abandoned at the stop.", "sink")
	descRetries     = desc("sink_retries_total", "Writes that were retries.", "sink")
	descQueued      = desc("sink_queue_events", "Events that wait in the sink's queue.", "sink")
	descQueuedBytes = desc("sink_queue_bytes", "Memory of the events in the sink's queue.", "sink")
	descRetrying    = desc("sink_retrying", "Delayed events: they failed, and wait for their next attempt.", "sink")
	descHeldBack    = desc("sink_held_back", "Blocked events: they wait for an earlier event of their key.", "sink")
	descOpen        = desc("sink_breaker_open", "1 while the circuit breaker is open or disabled, 0.5 while it is half open, 0 while it is closed.", "sink")
	descOpened      = desc("sink_breaker_opened_total", "Times when the circuit breaker opened.", "sink")
	descDisabled    = desc("sink_disabled", "1 while the circuit breaker is disabled until the next reload or start: the receiver asked to stop, or the sink could not be opened.", "sink")
	descWriting     = desc("sink_writing", "Events in writes under way.", "sink")

	descEdge = desc("edge_events_total", "Events that one component sent to another.", "from", "to")
)

// openness is how the states of a breaker are exported.
var openness = map[string]float64{BreakerClosed: 0, BreakerHalfOpen: 0.5, BreakerOpen: 1, BreakerDisabled: 1}

// Collector exports a status as metrics.
type Collector struct{ Status func() Status }

// Describe is part of [prometheus.Collector].
func (c Collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect is part of [prometheus.Collector].
func (c Collector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		send(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n uint64, labels ...string) {
		send(d, prometheus.GaugeValue, float64(n), labels...)
	}
	one := func(on bool) uint64 {
		if on {
			return 1
		}
		return 0
	}
	seconds := func(d *prometheus.Desc, t time.Time, labels ...string) {
		send(d, prometheus.GaugeValue, float64(t.UnixMilli())/1000, labels...)
	}
	failures := func(h Health, kind, name string) {
		gauge(descFailing, one(h.Failing), kind, name)
		counter(descErrors, h.Errors, kind, name)
		counter(descPanics, h.Panics, kind, name)
		if h.LastErrorAt != nil {
			seconds(descErrorAt, *h.LastErrorAt, kind, name)
		}
	}
	health := func(h Health, kind, name string) {
		gauge(descUp, one(h.Up), kind, name)
		gauge(descAttempts, h.Attempts, kind, name)
		if !h.Since.IsZero() {
			seconds(descSince, h.Since, kind, name)
		}
		failures(h, kind, name)
	}
	st := c.Status()
	gauge(descConserved, one(st.Conserved() == nil))
	for _, s := range st.Sources {
		health(s.Health, "source", s.Name)
		counter(descEmitted, s.Emitted, s.Name)
		counter(descAcked, s.Acked, s.Name)
		counter(descNacked, s.Nacked, s.Name)
		gauge(descOutstanding, s.Outstanding, s.Name)
		gauge(descStalled, one(s.Stalled != nil), s.Name)
		counter(descGaps, s.Gaps, s.Name)
		counter(descAtStart, s.GapsAtStart, s.Name)
		counter(descPassedOn, s.GapsPassedOn, s.Name)
		counter(descKeyless, s.Keyless, s.Name)
		if s.Leader != nil {
			gauge(descLeader, one(s.Leader.State == Leading), s.Name, s.Leader.Name)
		}
	}
	for _, r := range st.Routes {
		failures(Health{Failing: r.Failing, Errors: r.Errors, Panics: r.Panics, LastErrorAt: r.LastErrorAt}, "route", r.Name)
		counter(descRouteIn, r.In, r.Name)
		counter(descRouteAdded, r.Added, r.Name)
		counter(descRouteFiltered, r.Filtered, r.Name)
		counter(descRouteMerged, r.Merged, r.Name)
		gauge(descRouteHeld, r.Held, r.Name)
		counter(descRouteDropped, r.Dropped, r.Name)
		counter(descRouteDead, r.DeadLettered, r.Name)
		counter(descRouteReturned, r.Returned, r.Name)
		counter(descRouteOut, r.Out, r.Name)
	}
	for _, s := range st.Sinks {
		health(s.Health, "sink", s.Name)
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
		gauge(descRetrying, s.Retrying, s.Name)
		gauge(descHeldBack, s.HeldBack, s.Name)
		send(descOpen, prometheus.GaugeValue, openness[s.Breaker.State], s.Name)
		counter(descOpened, s.Breaker.Opened, s.Name)
		gauge(descDisabled, one(s.Breaker.State == BreakerDisabled), s.Name)
	}
	for _, e := range st.Edges {
		counter(descEdge, e.Events, e.From, e.To)
	}
}
