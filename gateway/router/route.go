package router

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// route carries the events of its sources through its transforms to the queues
// of its sinks, in the goroutine of the source.
type route struct {
	spec    RouteSpec
	stages  []stage
	sinks   []*sink
	letters *deadLetters

	busy    sync.Mutex // transforms are never called concurrently
	scratch [2][]*event.Event

	mu     sync.Mutex
	counts RouteCounts
}

// stage is one instance of a transform.
type stage struct {
	name string
	impl plugin.Transform
}

// carry takes a batch through the route. It blocks for backpressure only.
func (r *route) carry(ctx context.Context, events []*event.Event, rec *receipt) error {
	r.busy.Lock()
	defer r.busy.Unlock()
	c := RouteCounts{In: uint64(len(events))}
	for i, st := range r.stages {
		out := r.scratch[i%2][:0]
		for _, e := range events {
			before := len(out)
			next, err := st.apply(ctx, e, out)
			switch made := len(next) - before; {
			case err != nil:
				next = out
				c.DeadLettered++
				rec.add(1)
				rec.done(err)
				r.letters.park("route "+r.spec.Name+", transform "+st.name, e, err, 1)
			case made == 0:
				c.Filtered++
			default:
				c.Added += uint64(made - 1)
			}
			out = next
		}
		r.scratch[i%2] = out
		events = out
	}
	c.Out = uint64(len(events))
	r.count(c)
	var err error
	for _, s := range r.sinks {
		rec.add(len(events))
		err = errors.Join(err, s.queue.put(ctx, events, rec))
	}
	clear(r.scratch[0]) // what was carried is not kept alive
	clear(r.scratch[1])
	return err
}

// apply calls the transform and turns a panic into an error.
func (st *stage) apply(ctx context.Context, e *event.Event, out []*event.Event) (next []*event.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			next, err = out, fmt.Errorf("panic: %v", p)
		}
	}()
	return st.impl.Apply(ctx, e, out)
}

func (r *route) gap(g plugin.Gap) {
	for _, s := range r.sinks {
		s.queue.gap(g)
	}
}

func (r *route) count(c RouteCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.In += c.In
	r.counts.Added += c.Added
	r.counts.Filtered += c.Filtered
	r.counts.DeadLettered += c.DeadLettered
	r.counts.Out += c.Out
}

func (r *route) status() RouteStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return RouteStatus{Name: r.spec.Name, From: r.spec.From, To: r.spec.To, RouteCounts: r.counts}
}
