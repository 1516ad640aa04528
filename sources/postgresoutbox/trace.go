package postgresoutbox

// traceVersion is the version of the SQL from which on the outbox stores the trace of the transaction that has
// written a change.
const traceVersion = 5

// traceSQL returns an expression for the trace of a change o, which is NULL if it has none.
func (r *reader) traceSQL() string {
	if !r.hasTrace {
		return "NULL::text"
	}
	return "o.traceparent"
}
