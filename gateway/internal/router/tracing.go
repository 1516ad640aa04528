package router

import (
	"errors"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tracing"
)

// SetTracer changes the tracer of all components; nil turns tracing off. It returns the one before, which may still get
// spans that have begun.
func (r *Router) SetTracer(t *tracing.Tracer) (before *tracing.Tracer) { return r.tracing.Set(t) }

// stampTraces sets the traces of events to those in their payloads.
func (s *source) stampTraces(events []*event.Event) {
	for _, e := range events {
		text, _, err := s.eval.Text(nil, s.spec.Capture.TraceParent, e)
		if err != nil {
			continue
		}
		if p, ok := event.ParseTraceParent(string(text)); ok {
			tracing.Enter(e, p)
		}
	}
}

// endSpan ends the span of a batch. refused is why its events become dead letters without a delivery; nil: they do not.
func (s *source) endSpan(span *tracing.Span, refused, err error) {
	switch {
	case err != nil:
		span.End(tracing.OutcomeNacked, s.Redactor.Error(err))
	case refused != nil:
		span.End(tracing.OutcomeDeadLetter, s.Redactor.Error(refused))
	default:
		span.End(tracing.OutcomeEmitted, nil)
	}
}

// routeSpan is the span of a batch on a route.
type routeSpan struct {
	*tracing.Span
	failures uint64 // of the route, before the batch
}

// beginSpan begins the span of a batch; the caller holds busy. failures is the number of failures of the route before it. The
// caller passes the returned span, which was the present one, to endSpan.
func (r *route) beginSpan(events []*event.Event, failures uint64) (before routeSpan) {
	before, r.span = r.span, routeSpan{}
	if t := r.tracing.Tracer(); t != nil {
		r.span = routeSpan{t.Routed(r.spec.Name, events), failures}
	}
	return before
}

// endSpan ends the present span with the outcome of its batch, and restores the span before.
func (r *route) endSpan(before routeSpan, c *stats.RouteCounts, err error) {
	span := r.span
	if r.span = before; span.Span != nil {
		r.finishSpan(span, c, err)
	}
}

func (r *route) finishSpan(span routeSpan, c *stats.RouteCounts, err error) {
	for _, n := range []struct {
		name  string
		value uint64
	}{{"out", c.Out}, {"filtered", c.Filtered}, {"dropped", c.Dropped}, {"dead_lettered", c.DeadLettered}, {"returned", c.Returned}} {
		if n.value > 0 {
			span.Set(n.name, int(n.value))
		}
	}
	outcome := tracing.OutcomeRouted
	switch {
	case r.failures.Load() != span.failures:
		outcome, err = tracing.OutcomeFailed, errors.New(r.health.Health().LastError)
	case err != nil: // a stop has cut it short
		outcome = tracing.OutcomeCanceled
	}
	span.End(outcome, err)
}
