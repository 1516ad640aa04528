package stats

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// desc describes a metric of the router.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(reserved("gateway_"+name), help, labels, nil)
}

// kindDesc describes a metric that components of several kinds have. Each has the label of its kind, too, so that the metric joins
// with those of its kind.
type kindDesc map[string]*prometheus.Desc

func descOfKinds(name, help string) kindDesc {
	d := kindDesc{}
	for _, kind := range []string{"source", "route", "sink"} {
		d[kind] = desc(name, help, "kind", "component", kind)
	}
	return d
}

// gateway/docs/metrics.md lists the names.
var (
	descUp        = descOfKinds("up", "1 while the component is connected and works, or stands by.")
	descFailing   = descOfKinds("failing", "1 while the component fails, whether it is up or down.")
	descAttempts  = descOfKinds("attempts", "Consecutive failed attempts in this outage; 0 while the component is up.")
	descSince     = descOfKinds("up_changed_timestamp_seconds", "When gateway_up changed last.")
	descErrorAt   = descOfKinds("last_error_timestamp_seconds", "When the last error of gateway_errors_total occurred.")
	descErrors    = descOfKinds("errors_total", "Failures: runs of a source that ended, writes of a sink that failed, events that a transform of a route failed on.")
	descPanics    = descOfKinds("panics_total", "Panics of the plugin.")
	descLeader    = desc("leader", "1 while this gateway leads and captures, 0 while it stands by or is not connected.", "source", "leader")
	descConserved = desc("conserved", "1 while every event is accounted for; 0 is a bug in the gateway.")

	descEmitted     = desc("source_events_total", "Events that the source emitted.", "source")
	descLastEvent   = desc("source_last_event_timestamp_seconds", "When the source received its last event.", "source")
	descNoOrigin    = desc("source_origin_unknown_total", "Events for which origin_time gave no time with a zone.", "source")
	descAcked       = desc("source_acked_total", "Events acked at the source.", "source")
	descNacked      = desc("source_nacked_total", "Events nacked at the source, which redelivers them.", "source")
	descOutstanding = desc("source_outstanding", "Events emitted and not yet settled.", "source")
	descStalled     = desc("source_stalled", "1 while the source does not read because of events in flight.", "source")
	descGaps        = desc("source_gaps_total", "Gaps: times when events may have been missed.", "source")
	descAtStart     = desc("source_gaps_at_start_total", "Gaps that are counted at the start of the gateway.", "source")
	descPassedOn    = desc("source_gaps_passed_on_total", "Gaps that another gateway has counted, and that came through the source.", "source")
	descRefused     = desc("source_refused_total", "Events that were not taken from their senders because a queue was full.", "source")
	descKeyless     = desc("source_keyless_total", "Events whose key could not be evaluated.", "source")

	descRouteIn       = desc("route_in_total", "Events that entered the route.", "route")
	descRouteAdded    = desc("route_added_total", "Events that transforms added to the ones they got.", "route")
	descRouteFiltered = desc("route_filtered_total", "Events that did not match the route, or that a transform filtered.", "route")
	descRouteEarly    = desc("route_windows_ended_early_total", "Windows that ended early, because of collect.bytes or collect.keys.", "route")
	descRouteMerged   = desc("route_merged_total", "Events by which batch transforms reduced their windows.", "route")
	descRouteHeld     = desc("route_held", "Events that wait in the windows of batch transforms.", "route")
	descRouteDropped  = desc("route_dropped_total", "Events that a transform failed on and that were dropped by on_error.", "route")
	descRouteDead     = desc("route_dead_lettered_total", "Events that a transform failed on and that were parked.", "route")
	descRouteReturned = desc("route_returned_total", "Events that a transform failed on and that were returned to their source.", "route")
	descRouteOut      = desc("route_out_total", "Events that were sent to each sink of the route.", "route")

	descSinkIn      = desc("sink_in_total", "Events put into the sink's queue.", "sink")
	descDelivered   = desc("sink_delivered_total", "Events delivered.", "sink")
	descDropped     = desc("sink_dropped_total", "Events dropped by the sink's queue.", "sink", "reason")
	descNegative    = desc("end_to_end_latency_negative_total", "Events whose origin time was later than their delivery.", "sink")
	descSinkDead    = desc("sink_dead_lettered_total", "Events that could not be delivered and were parked.", "sink")
	descReturned    = desc("sink_returned_total", "Events returned to their source, or abandoned at the stop.", "sink")
	descRetries     = desc("sink_retries_total", "Writes that were retries.", "sink")
	descQueued      = desc("sink_queue_events", "Events that wait in the sink's queue.", "sink")
	descCapacity    = desc("sink_queue_capacity_events", "Most events in the sink's queue.", "sink")
	descMostBytes   = desc("sink_queue_capacity_bytes", "Most memory of the events in the sink's queue.", "sink")
	descQueuedBytes = desc("sink_queue_bytes", "Memory of the events in the sink's queue.", "sink")
	descRetrying    = desc("sink_retrying", "Delayed events: they failed, and wait for their next attempt.", "sink")
	descHeldBack    = desc("sink_held_back", "Blocked events: they wait for an earlier event of their key.", "sink")
	descBreaker     = desc("sink_breaker_state", "1 for the state of the circuit breaker, 0 for the other states.", "sink", "state")
	descOpen        = desc("sink_breaker_open", "1 while the circuit breaker is open or disabled, 0.5 while it is half open, 0 while it is closed.", "sink")
	descOpened      = desc("sink_breaker_opened_total", "Times when the circuit breaker opened.", "sink")
	descDisabled    = desc("sink_disabled", "1 while the circuit breaker is disabled until the next reload or start: the receiver asked to stop, or the sink could not be opened.", "sink")
	descWriting     = desc("sink_writing", "Events in writes under way.", "sink")

	descLetters       = desc("dead_letter_store_letters", "Dead letters in the store.")
	descLettersBytes  = desc("dead_letter_store_bytes", "Size of the files of the store.")
	descLettersMost   = desc("dead_letter_store_max_bytes", "Largest size of the files of the store (dead_letters.max_bytes).")
	descLettersWait   = desc("dead_letter_store_pending", "Dead letters that are not written yet.")
	descLettersStored = desc("dead_letter_store_stored_total", "Dead letters that were stored.")
	descLettersBack   = desc("dead_letter_store_returned_total", "Events returned to their sources, because they could not be stored.")
	descLettersLost   = desc("dead_letter_store_lost_total", "Dead letters that could not be stored, and that no source can replay.")
	descLettersGone   = desc("dead_letter_store_removed_total", "Dead letters that were deleted, or that a replay has delivered.")
	descLettersEvict  = desc("dead_letter_store_evicted_total", "Dead letters deleted because the store has reached max_bytes.")
	descLettersOld    = desc("dead_letter_store_expired_total", "Dead letters deleted because they were older than max_age.")

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
	st, to := c.Status(), metrics(ch)
	to.gauge(descConserved, one(st.Conserved() == nil))
	for _, s := range st.Sources {
		to.source(s)
	}
	for _, r := range st.Routes {
		to.route(r)
	}
	for _, s := range st.Sinks {
		to.sink(s)
	}
	if s := st.DeadLetterStore; s != nil {
		to.letters(s)
	}
	for _, e := range st.Edges {
		to.counter(descEdge, e.Events, e.From, e.To)
	}
}

func (to metrics) letters(s *LettersStatus) {
	to.gauge(descLetters, s.Held)
	to.gauge(descLettersBytes, s.Bytes)
	to.gauge(descLettersMost, s.MaxBytes)
	to.gauge(descLettersWait, s.Pending)
	to.counter(descLettersStored, s.Stored)
	to.counter(descLettersBack, s.Returned)
	to.counter(descLettersLost, s.Lost)
	to.counter(descLettersGone, s.Removed)
	to.counter(descLettersEvict, s.Evicted)
	to.counter(descLettersOld, s.Expired)
}

// metrics gets the metrics.
type metrics chan<- prometheus.Metric

func (to metrics) send(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, t, v, labels...)
}

func (to metrics) counter(d *prometheus.Desc, n uint64, labels ...string) {
	to.send(d, prometheus.CounterValue, float64(n), labels...)
}

func (to metrics) gauge(d *prometheus.Desc, n uint64, labels ...string) {
	to.send(d, prometheus.GaugeValue, float64(n), labels...)
}

func (to metrics) timestamp(d *prometheus.Desc, t time.Time, labels ...string) {
	to.send(d, prometheus.GaugeValue, float64(t.UnixMilli())/1000, labels...)
}

func one(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

func (to metrics) health(h Health, kind, name string) {
	to.gauge(descUp[kind], one(h.Up), kind, name, name)
	to.gauge(descAttempts[kind], h.Attempts, kind, name, name)
	if !h.Since.IsZero() {
		to.timestamp(descSince[kind], h.Since, kind, name, name)
	}
	to.failures(h, kind, name)
}

func (to metrics) failures(h Health, kind, name string) {
	to.gauge(descFailing[kind], one(h.Failing), kind, name, name)
	to.counter(descErrors[kind], h.Errors, kind, name, name)
	to.counter(descPanics[kind], h.Panics, kind, name, name)
	if h.LastErrorAt != nil {
		to.timestamp(descErrorAt[kind], *h.LastErrorAt, kind, name, name)
	}
}

func (to metrics) source(s SourceStatus) {
	to.health(s.Health, "source", s.Name)
	to.counter(descEmitted, s.Emitted, s.Name)
	if s.LastEventAt != nil {
		to.timestamp(descLastEvent, *s.LastEventAt, s.Name)
	}
	to.counter(descNoOrigin, s.OriginUnknown, s.Name)
	to.counter(descAcked, s.Acked, s.Name)
	to.counter(descNacked, s.Nacked, s.Name)
	to.gauge(descOutstanding, s.Outstanding, s.Name)
	to.gauge(descStalled, one(s.Stalled != nil), s.Name)
	to.counter(descGaps, s.Gaps, s.Name)
	to.counter(descAtStart, s.GapsAtStart, s.Name)
	to.counter(descPassedOn, s.GapsPassedOn, s.Name)
	to.counter(descRefused, s.Refused, s.Name)
	to.counter(descKeyless, s.Keyless, s.Name)
	if s.Leader != nil {
		to.gauge(descLeader, one(s.Leader.State == Leading), s.Name, s.Leader.Name)
	}
}

func (to metrics) route(r RouteStatus) {
	to.failures(Health{Failing: r.Failing, Errors: r.Errors, Panics: r.Panics, LastErrorAt: r.LastErrorAt}, "route", r.Name)
	to.counter(descRouteIn, r.In, r.Name)
	to.counter(descRouteAdded, r.Added, r.Name)
	to.counter(descRouteFiltered, r.Filtered, r.Name)
	to.counter(descRouteMerged, r.Merged, r.Name)
	to.counter(descRouteEarly, r.WindowsEndedEarly, r.Name)
	to.gauge(descRouteHeld, r.Held, r.Name)
	to.counter(descRouteDropped, r.Dropped, r.Name)
	to.counter(descRouteDead, r.DeadLettered, r.Name)
	to.counter(descRouteReturned, r.Returned, r.Name)
	to.counter(descRouteOut, r.Out, r.Name)
}

func (to metrics) sink(s SinkStatus) {
	to.health(s.Health, "sink", s.Name)
	to.counter(descSinkIn, s.In, s.Name)
	to.counter(descDelivered, s.Delivered, s.Name)
	to.counter(descNegative, s.NegativeLatency, s.Name)
	for reason, n := range s.Dropped {
		to.counter(descDropped, n, s.Name, reason)
	}
	to.counter(descSinkDead, s.DeadLettered, s.Name)
	to.counter(descReturned, s.Returned, s.Name)
	to.counter(descRetries, s.Retries, s.Name)
	to.gauge(descQueued, s.Queued, s.Name)
	to.gauge(descQueuedBytes, s.QueuedBytes, s.Name)
	to.gauge(descCapacity, s.Capacity, s.Name)
	to.gauge(descMostBytes, s.CapacityBytes, s.Name)
	to.gauge(descWriting, s.Writing, s.Name)
	to.gauge(descRetrying, s.Retrying, s.Name)
	to.gauge(descHeldBack, s.HeldBack, s.Name)
	for _, state := range []string{BreakerClosed, BreakerOpen, BreakerHalfOpen, BreakerDisabled} {
		to.gauge(descBreaker, one(s.Breaker.State == state), s.Name, state)
	}
	to.send(descOpen, prometheus.GaugeValue, openness[s.Breaker.State], s.Name)
	to.counter(descOpened, s.Breaker.Opened, s.Name)
	to.gauge(descDisabled, one(s.Breaker.State == BreakerDisabled), s.Name)
}
