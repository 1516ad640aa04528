package delivery

import (
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/tracing"
)

// attemptNumber returns the number of the attempt that a write is: that of the event that has failed most often. It is at least
// tries, the writes of this batch, because a failure of the sink counts as no attempt of an event.
func attemptNumber(items []queue.Item, tries int) int {
	for i := range items {
		tries = max(tries, items[i].Attempts()+1)
	}
	return tries
}

// endSpan ends the span of a failed write with the verdict on its events.
func (s *Sink) endSpan(span *tracing.Span, v verdict) {
	delivered, parked := 0, 0
	for _, d := range v.events {
		switch d.action {
		case deliver:
			delivered++
		case park:
			parked++
		}
	}
	outcome := tracing.OutcomeRetry
	switch {
	case s.writing.Err() != nil:
		outcome = tracing.OutcomeCanceled
	case parked > 0:
		outcome = tracing.OutcomeDeadLetter
		span.Set("dead_lettered", parked)
	}
	if delivered > 0 {
		span.Set("delivered", delivered)
	}
	span.End(outcome, v.cause)
}
