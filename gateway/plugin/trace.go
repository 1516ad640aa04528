package plugin

import "context"

// traceKey is the key of the trace in a context.
type traceKey struct{}

// WithTraceParent returns a context for a Write of a sink that is recorded as a span. text is the value of the header
// traceparent for requests of this Write. The router calls it.
func WithTraceParent(ctx context.Context, text string) context.Context {
	return context.WithValue(ctx, traceKey{}, text)
}

// TraceParent returns the value of the header traceparent for a request that a Write makes with ctx. It is "" if the
// Write is not recorded: then the attribute traceparent of the event is the value, if it has one. A sink that stores
// events stores the attribute of each event instead.
func TraceParent(ctx context.Context) string {
	text, _ := ctx.Value(traceKey{}).(string)
	return text
}
