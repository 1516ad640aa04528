package router

import (
	"context"
	"sync/atomic"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/delivery"
)

// edge leads from a route, or from the dead letters of a component, into a sink. It counts what it sends.
type edge struct {
	sink *delivery.Sink
	sent *atomic.Uint64
}

// Name returns the name of the sink.
func (e *edge) Name() string { return e.sink.Name }

// Put puts events into the queue of the sink (see [delivery.Sink.Put]).
func (e *edge) Put(ctx context.Context, events []*event.Event, r *ack.Receipt) error {
	e.sent.Add(uint64(len(events)))
	return e.sink.Put(ctx, events, r)
}
