// Package tracing records what the gateway does with events as spans of traces, and sends them to a receiver of OTLP.
//
// There is a span for each batch and hop: one for a batch that a source emits, one for a batch on a route, and one for
// each write of a sink. An event carries its place in a trace in the attribute traceparent ([event.AttrTraceParent]).
// Before the source that is a place of the application, then the span of the source, then the span of the route. So every sink that
// passes on attributes passes on the trace. Nothing else of an event is changed.
//
// Invariants:
//   - While tracing is off, a hop costs one load of a pointer, and no allocation.
//   - No call waits for the exporter. It has a bounded queue of spans; a span that does not fit is dropped and counted.
//   - A span has names and numbers of the gateway, and errors without their quoted parts. It has no payload, no key and
//     no secret.
//
// The files: tracer.go begins spans, traces.go reads and sets the traces of events, span.go ends a span, exporter.go has
// the queue and sends its spans, request.go is one request, encode.go its body, and options.go has the options.
package tracing
