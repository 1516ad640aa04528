package monitoring

// leftOut has the metrics that no panel shows, and why.
var leftOut = map[string]string{
	"gateway_last_error_timestamp_seconds": "gateway status and the page show the last error with its text and time",
	"gateway_sink_breaker_state":           "gateway_sink_breaker_open is the same in one series",
	"gateway_source_refused_total":         "only sources whose senders wait for an answer have it, and no type of the gateway is one",
}

// rows are the rows of the dashboard, in their order.
var rows = []row{
	{"Overview", []panel{
		{title: "Gateways that answer", show: "stat", width: 4, text: "those that Prometheus could scrape", queries: []query{calc(`sum(up{})`, "")}},
		{title: "Health", show: "stat", width: 4, queries: []query{calc(`sum by (state) (gateway_health{})`, "{{state}}")}},
		{title: "Components down", show: "stat", good: "0", width: 4, queries: []query{calc(`count(gateway_up{} == 0) or vector(0)`, "")}},
		{title: "Components that fail", show: "stat", good: "0", width: 4, queries: []query{calc(`count(gateway_failing{} == 1) or vector(0)`, "")}},
		{title: "Accounted for", show: "stat", good: "1", width: 4, queries: []query{calc(`min(gateway_conserved{})`, "")}},
		{title: "Alerts", show: "stat", good: "0", width: 4, text: "alerts of configs/prometheus that fire", queries: []query{calc(`count(ALERTS{alertname=~"Gateway.*", alertstate="firing"}) or vector(0)`, "")}},
		{title: "Events", unit: "eps", queries: []query{
			calc(`sum(rate(gateway_source_events_total{}[$__rate_interval]))`, "emitted"), calc(`sum(rate(gateway_sink_delivered_total{}[$__rate_interval]))`, "delivered"),
		}},
		{title: "Latency of all sinks", unit: "s", queries: append(quantiles("gateway_end_to_end_latency_seconds", "", "since the origin time, "), quantiles("gateway_latency_seconds", "", "since the receipt, ")...)},
		{title: "Spent of the budgets of a month, per hour", unit: "percentunit", text: "The rules of configs/prometheus/objectives.yml record it: 1 % of the events may be late in a month, and 0.01 % lost.", queries: []query{
			calc(`gateway:late:ratio_rate1h{} / 0.01 / 720`, "{{sink}} late"), calc(`gateway:lost:ratio_rate1h{} / 0.0001 / 720`, "{{sink}}{{route}} lost"),
		}},
		{title: "Up", show: "state-timeline", good: "1", queries: of("gateway_up")},
		{title: "Down for", unit: "s", queries: []query{calc(`(time() - gateway_up_changed_timestamp_seconds{}) * (1 - gateway_up{})`, "{{instance}} {{kind}} {{component}}")}},
		{title: "Failed attempts of this outage", queries: of("gateway_attempts")},
		{title: "Errors", unit: "eps", queries: of("gateway_errors_total")},
		{title: "Panics", queries: times("gateway_panics_total")},
		{title: "From component to component", unit: "eps", queries: of("gateway_edge_events_total")},
	}},
	{"Sources", []panel{
		{title: "Emitted", unit: "eps", queries: of("gateway_source_events_total")},
		{title: "Acked and nacked", unit: "eps", queries: of("gateway_source_acked_total", "gateway_source_nacked_total")},
		{title: "In flight", queries: of("gateway_source_outstanding")},
		{title: "Stalled", show: "state-timeline", good: "0", queries: of("gateway_source_stalled")},
		{title: "Leader", show: "state-timeline", queries: of("gateway_leader")},
		{title: "Gaps", queries: times("gateway_source_gaps_total", "gateway_source_gaps_at_start_total", "gateway_source_gaps_passed_on_total")},
		{title: "Last event ago", unit: "s", queries: []query{calc(`time() - gateway_source_last_event_timestamp_seconds{}`, "{{instance}} {{source}}")}},
		{title: "Events without a key, or without an origin time", unit: "eps", queries: of("gateway_source_keyless_total", "gateway_source_origin_unknown_total")},
		{title: "Clock of PostgreSQL, ahead of this one", unit: "s", queries: of("gateway_postgres_clock_offset_seconds")},
		{title: "Redis Stream: lag", unit: "s", queries: of("gateway_redis_stream_lag_seconds")},
		{title: "Programs: starts and failures", unit: "eps", queries: of("gateway_exec_starts_total", "gateway_exec_failures_total")},
		{title: "Redis: claimed entries, dropped messages", unit: "eps", queries: of("gateway_redis_stream_claimed_total", "gateway_redis_sub_dropped_total")},
		{title: "NOTIFY: queue of the server", unit: "percentunit", queries: of("gateway_postgres_notification_queue_usage")},
		{title: "NOTIFY: rows that could not be fetched", unit: "eps", queries: of("gateway_postgres_unfetched_rows_total")},
	}},
	{"Routes", []panel{
		{title: "In and out", unit: "eps", queries: of("gateway_route_in_total", "gateway_route_out_total")},
		{title: "Filtered", unit: "eps", queries: of("gateway_route_filtered_total")},
		{title: "Added and merged", unit: "eps", queries: of("gateway_route_added_total", "gateway_route_merged_total")},
		{title: "Failed: dropped, parked, returned", unit: "eps", queries: of("gateway_route_dropped_total", "gateway_route_dead_lettered_total", "gateway_route_returned_total")},
		{title: "Held in windows", queries: of("gateway_route_held")},
		{title: "Windows ended early", queries: times("gateway_route_windows_ended_early_total")},
		{title: "WebAssembly: faults, and instances that were started", queries: times("gateway_wasm_faults_total", "gateway_wasm_starts_total")},
		{title: "WebAssembly: memory", unit: "bytes", queries: of("gateway_wasm_memory_bytes")},
	}},
	{"Sinks", []panel{
		{title: "In", unit: "eps", queries: of("gateway_sink_in_total")},
		{title: "Delivered", unit: "eps", queries: of("gateway_sink_delivered_total")},
		{title: "Queue, of its capacity", unit: "percentunit", queries: []query{
			calc(`gateway_sink_queue_events{} / gateway_sink_queue_capacity_events{}`, "{{instance}} {{sink}} events"),
			calc(`gateway_sink_queue_bytes{} / gateway_sink_queue_capacity_bytes{}`, "{{instance}} {{sink}} bytes"),
		}},
		{title: "Latency since the receipt", unit: "s", queries: quantiles("gateway_latency_seconds", "sink", "")},
		{title: "Latency since the origin time", unit: "s", queries: quantiles("gateway_end_to_end_latency_seconds", "sink", "")},
		{title: "Events delivered before their origin time", unit: "eps", queries: of("gateway_end_to_end_latency_negative_total")},
		{title: "Queue", queries: of("gateway_sink_queue_events")},
		{title: "Queue, memory", unit: "bytes", queries: of("gateway_sink_queue_bytes")},
		{title: "In writes", queries: of("gateway_sink_writing")},
		{title: "Dropped", unit: "eps", queries: of("gateway_sink_dropped_total")},
		{title: "Dead letters", unit: "eps", queries: of("gateway_sink_dead_lettered_total")},
		{title: "Returned to the source", unit: "eps", queries: of("gateway_sink_returned_total")},
	}},
	{"Store of dead letters", []panel{
		{title: "Dead letters in the store, not written yet", queries: of("gateway_dead_letter_store_letters", "gateway_dead_letter_store_pending")},
		{title: "Size, and the largest one", unit: "bytes", queries: of("gateway_dead_letter_store_bytes", "gateway_dead_letter_store_max_bytes")},
		{title: "Stored and removed", unit: "eps", queries: of("gateway_dead_letter_store_stored_total", "gateway_dead_letter_store_removed_total")},
		{title: "Not stored: returned or lost", queries: times("gateway_dead_letter_store_returned_total", "gateway_dead_letter_store_lost_total")},
		{title: "Deleted by a bound", queries: times("gateway_dead_letter_store_evicted_total", "gateway_dead_letter_store_expired_total")},
	}},
	{"Webhooks, and retries of other sinks", []panel{
		{title: "Circuit breaker", show: "state-timeline", good: "0", queries: of("gateway_sink_breaker_open")},
		{title: "Disabled", show: "state-timeline", good: "0", queries: of("gateway_sink_disabled")},
		{title: "Times that the breaker opened", queries: times("gateway_sink_breaker_opened_total")},
		{title: "Retries", unit: "eps", queries: of("gateway_sink_retries_total")},
		{title: "Delayed until their next attempt", queries: of("gateway_sink_retrying")},
		{title: "Blocked by an earlier event of their key", queries: of("gateway_sink_held_back")},
	}},
	webSocketRow,
	{"Outbox and WAL", []panel{
		{title: "Outbox: lag", unit: "s", queries: of("gateway_outbox_lag_seconds", "gateway_outbox_oldest_seconds")},
		{title: "Outbox: lag in rows", queries: of("gateway_outbox_lag_rows", "gateway_outbox_gaps")},
		{title: "Outbox: rows that no reader has", queries: of("gateway_outbox_unread_rows")},
		{title: "Outbox: skipped, escaped, unread and deleted", unit: "eps", queries: of("gateway_outbox_skipped_total", "gateway_outbox_escaped_total", "gateway_outbox_unread_deleted_total")},
		{title: "WAL: lag", unit: "s", queries: of("gateway_wal_lag_seconds")},
		{title: "WAL: kept by the server, spooled", unit: "bytes", queries: of("gateway_wal_lag_bytes", "gateway_wal_spool_bytes")},
		{title: "WAL: skipped", unit: "eps", queries: of("gateway_wal_skipped_total")},
		{title: "Rows of snapshots", unit: "eps", queries: of("gateway_outbox_snapshot_rows_total", "gateway_wal_snapshot_rows_total")},
	}},
	processRow,
}

// quantiles returns the queries of quantiles of a histogram, by a label or over all.
func quantiles(name, by, legend string) (queries []query) {
	labels := "le"
	if by != "" {
		labels, legend = "le, "+by, "{{"+by+"}} "+legend
	}
	for _, q := range []struct{ of, name string }{{"0.5", "p50"}, {"0.99", "p99"}} {
		queries = append(queries, calc("histogram_quantile("+q.of+", sum by ("+labels+") (rate("+name+"_bucket{}[$__rate_interval])))", legend+q.name))
	}
	return queries
}
