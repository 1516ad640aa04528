package plugin

// reservedMetrics are the metrics of the router itself.
var reservedMetrics = map[string]bool{
	"gateway_conserved":                   true,
	"gateway_edge_events_total":           true,
	"gateway_errors_total":                true,
	"gateway_latency_seconds":             true,
	"gateway_leader":                      true,
	"gateway_panics_total":                true,
	"gateway_route_added_total":           true,
	"gateway_route_dead_lettered_total":   true,
	"gateway_route_dropped_total":         true,
	"gateway_route_filtered_total":        true,
	"gateway_route_in_total":              true,
	"gateway_route_out_total":             true,
	"gateway_route_returned_total":        true,
	"gateway_sink_breaker_open":           true,
	"gateway_sink_breaker_opened_total":   true,
	"gateway_sink_dead_lettered_total":    true,
	"gateway_sink_delivered_total":        true,
	"gateway_sink_disabled":               true,
	"gateway_sink_dropped_total":          true,
	"gateway_sink_held_back":              true,
	"gateway_sink_in_total":               true,
	"gateway_sink_queue_bytes":            true,
	"gateway_sink_queue_events":           true,
	"gateway_sink_retries_total":          true,
	"gateway_sink_retrying":               true,
	"gateway_sink_returned_total":         true,
	"gateway_sink_writing":                true,
	"gateway_source_acked_total":          true,
	"gateway_source_events_total":         true,
	"gateway_source_gaps_passed_on_total": true,
	"gateway_source_gaps_total":           true,
	"gateway_source_keyless_total":        true,
	"gateway_source_nacked_total":         true,
	"gateway_source_outstanding":          true,
	"gateway_up":                          true,
}

// ReservedMetric reports whether a name is that of a metric of the router itself, which no plugin
// may register.
func ReservedMetric(name string) bool { return reservedMetrics[name] }
