package monitoring

// webSocketRow is the row of the sink websocket.
var webSocketRow = row{"WebSocket", []panel{
	{title: "Clients", queries: of("gateway_websocket_clients")},
	{title: "Disconnected", unit: "eps", queries: of("gateway_websocket_disconnects_total")},
	{title: "Refused", unit: "eps", queries: of("gateway_websocket_refused_total")},
	{title: "Lag of the slowest client", queries: of("gateway_websocket_lag_messages")},
	{title: "Messages skipped and repeated", unit: "eps", queries: of("gateway_websocket_skipped_total", "gateway_websocket_repeated_total")},
	{title: "Filters: errors, ended", unit: "eps", queries: of("gateway_websocket_filter_errors_total", "gateway_websocket_filters_ended_total")},
	{title: "Filters: memory", unit: "bytes", queries: of("gateway_websocket_filter_bytes")},
	{title: "Compression: before and after", unit: "Bps", queries: of("gateway_websocket_compressed_input_bytes_total", "gateway_websocket_compressed_output_bytes_total")},
	{title: "Snapshots", unit: "eps", queries: of("gateway_websocket_snapshots_total", "gateway_websocket_snapshot_rows_total")},
	{title: "Presence: channels", queries: of("gateway_websocket_presence_channels")},
	{title: "Presence: memory", unit: "bytes", queries: of("gateway_websocket_presence_bytes")},
	{title: "Presence: partial, failures", queries: append(of("gateway_websocket_presence_partial"), times("gateway_websocket_presence_failures_total")...)},
}}

// processRow is the row of the process and its listeners.
var processRow = row{"Process", []panel{
	{title: "Versions", show: "stat", width: 24, queries: []query{calc(`count by (version, goversion) (gateway_build_info{})`, "{{version}}, {{goversion}}")}},
	{title: "CPU", unit: "percentunit", queries: []query{calc(`rate(process_cpu_seconds_total{}[$__rate_interval])`, "{{instance}}")}},
	{title: "Memory", unit: "bytes", queries: []query{
		calc(`process_resident_memory_bytes{}`, "{{instance}} resident"), calc(`go_memstats_heap_inuse_bytes{}`, "{{instance}} heap"),
	}},
	{title: "Goroutines", queries: []query{calc(`go_goroutines{}`, "{{instance}}")}},
	{title: "Paused by the garbage collector, of the time", unit: "percentunit", queries: []query{calc(`rate(go_gc_duration_seconds_sum{}[$__rate_interval])`, "{{instance}}")}},
	{title: "Open files, of the limit", unit: "percentunit", queries: []query{calc(`process_open_fds{} / process_max_fds{}`, "{{instance}}")}},
	{title: "Runs for", unit: "s", queries: []query{calc(`time() - process_start_time_seconds{}`, "{{instance}}")}},
	{title: "Connections", queries: of("gateway_http_connections")},
	{title: "Refused connections", unit: "eps", queries: of("gateway_http_refused_total")},
	{title: "Refused requests of /api", unit: "eps", queries: of("gateway_admin_refused_total")},
	{title: "Spans of traces", unit: "eps", queries: of("gateway_trace_spans_exported_total", "gateway_trace_spans_dropped_total")},
	{title: "Configuration: last load worked", show: "state-timeline", good: "1", queries: of("gateway_config_last_reload_successful")},
	{title: "Configuration: age", unit: "s", queries: []query{calc(`time() - gateway_config_last_reload_success_timestamp_seconds{}`, "{{instance}}")}},
	{title: "Certificates: valid for", unit: "s", queries: []query{calc(`gateway_tls_certificate_expiry_timestamp_seconds{} - time()`, "{{instance}} {{listener}}")}},
	{title: "Certificates: last load worked", show: "state-timeline", good: "1", queries: of("gateway_tls_certificate_last_load_successful")},
	{title: "Embedded servers", show: "state-timeline", good: "0", queries: of("gateway_embedded"), absent: "they have servers"},
}}
