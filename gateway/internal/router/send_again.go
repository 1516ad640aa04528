package router

import (
	"context"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/stats"
)

// SendAgain sends the events of an attempt of a sink again (see [delivery.Sink.SendAgain]). They are counted as events from an operator.
func (r *Router) SendAgain(ctx context.Context, s *delivery.Sink, attempt string) (v delivery.AttemptView, done bool, err error) {
	return s.SendAgain(ctx, attempt, func(n int) {
		r.edges.Counter(stats.Operator, "sink "+s.Name).Add(uint64(n))
	})
}
