package router

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/rcu"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/internal/tracing"
)

// route carries the events of its sources through its transforms to the queues
// of its sinks, in the goroutine of the source.
type route struct {
	spec        RouteSpec
	health      *stats.Monitor // errors and panics of its transforms
	record      *stats.RouteRecord
	stages      []*stage
	deadLetters *deadletter.Box
	tap         *tap.Point
	policies    []*tap.Policy // what viewers may see before each stage, and behind the last

	busy    sync.Mutex     // transforms are never called concurrently
	eval    expr.Evaluator // of when
	scratch [2][]*event.Event

	log         *slog.Logger
	windowed    bool                  // a stage is a batch transform
	outputs     rcu.Value[[]*edge]    // with windowed: where the events of windows go
	predecessor atomic.Pointer[route] // while it may hold events in windows; else nil
	ctx         context.Context       // ends when the router stops, or the route is closed
	cancel      context.CancelFunc

	tracing *tracing.Switch
	span    routeSpan // of the batch under way; guarded by busy

	failures       atomic.Uint64 // as health counts them
	failuresBefore uint64        // those before the last batch without any; guarded by busy

	mu sync.Mutex // of what respec changes
}

// carry takes a batch through the route to sinks. It blocks for backpressure only.
// taken, which may be nil, is set for the events that the route takes.
func (r *route) carry(ctx context.Context, events []*event.Event, taken []bool, rec *ack.Receipt, to []*edge) error {
	return r.carryFrom(ctx, wholeRoute, events, taken, rec, to)
}

// carryFrom carries a batch from a stage on, or through the whole route.
func (r *route) carryFrom(ctx context.Context, from int, events []*event.Event, taken []bool, rec *ack.Receipt, to []*edge) error {
	if old := r.predecessor.Load(); old != nil { // its events come first
		old.flush(ctx, nil)
	}
	if err := r.acquire(ctx, events, to); err != nil {
		r.returnEvents(events, taken, rec, err)
		return err
	}
	return r.carryLocked(ctx, from, events, taken, rec, to)
}

// carryLocked is carryFrom for a caller that has acquired the transforms. It releases them.
func (r *route) carryLocked(ctx context.Context, from int, events []*event.Event, taken []bool, rec *ack.Receipt, to []*edge) error {
	defer r.busy.Unlock()
	failures := r.failures.Load()
	c := stats.RouteCounts{In: uint64(len(events))}
	var look *look
	if r.tap.Watched() && from == wholeRoute {
		look = r.look(events)
	}
	if from == wholeRoute {
		events, from = r.match(ctx, events, taken, rec, &c, look), 0
	}
	before := r.beginSpan(events, failures)
	err := r.run(ctx, from, events, rec, to, &c, failures, look)
	r.endSpan(before, &c, err)
	look.end(to)
	r.clearScratch()
	return err
}

// run takes events through the stages, from one on, and to sinks. failures is the number of failures before these
// events; look is nil if the route has no viewers.
func (r *route) run(ctx context.Context, from int, events []*event.Event, rec *ack.Receipt, to []*edge, c *stats.RouteCounts, failures uint64, look *look) error {
	more := false // a transform made several events of one
	for i := from; i < len(r.stages); i++ {
		st := r.stages[i]
		if st.windows != nil {
			look.held(i, events)
			return r.collect(ctx, i, events, rec, to, c)
		}
		st.out = r.scratch[i%2][:0]
		st.prepare(ctx, events, r.health)
		var unavailable error // why the batch goes back to its source: the transform's server is unavailable
		for j, e := range events {
			before, err := len(st.out), unavailable
			if unavailable == nil {
				err = st.apply(ctx, e, nil, r.health)
			}
			switch made := len(st.out) - before; {
			case err != nil:
				if st.fail(ctx, r, e, rec, err, c) {
					unavailable = err
				}
			case made == 0:
				c.Filtered++
			default:
				c.Added += uint64(made - 1)
				setPosition(e, st.out[before:])
				more = more || made > 1
			}
			if look != nil {
				look.applied(j, i, st, e, st.out[before:], err, c.DeadLettered)
			}
		}
		look.advance()
		r.scratch[i%2], events = st.out, st.out
	}
	if more {
		numberPositions(events)
	}
	events = r.span.Pass(events)
	c.Out += uint64(len(events))
	r.record.Add(c)
	if c.In|c.Held > 0 && failures != r.failuresBefore && failures == r.failures.Load() {
		r.failuresBefore = failures
		r.health.Recovered()
	}
	var err error
	for _, e := range to {
		own := rec
		if e.sink.Options.BestEffort {
			own = nil
		}
		own.Add(len(events))
		if perr := e.Put(ctx, events, own); perr != nil {
			err = perr
		}
	}
	return err
}

// clearScratch lets the events be collected.
func (r *route) clearScratch() {
	clear(r.scratch[0])
	clear(r.scratch[1])
}

// refuse parks events that their source refuses to deliver.
func (r *route) refuse(ctx context.Context, events []*event.Event, rec *ack.Receipt, f deadletter.Failure) {
	c := stats.RouteCounts{In: uint64(len(events))}
	for _, e := range events {
		returned := c.Returned
		r.park(ctx, queue.Item{Event: e, Receipt: rec}, f, &c)
		if r.tap.Watched() {
			outcome := tap.DeadLettered
			if c.Returned > returned {
				outcome = tap.Returned
			}
			r.tap.Show(r.policy, e, outcome, f.Err.Error(), 0)
		}
	}
	r.record.Add(&c)
}

// park parks an event on which a transform fails.
func (r *route) park(ctx context.Context, it queue.Item, f deadletter.Failure, c *stats.RouteCounts) {
	r.failed(f.Err)
	it.Receipt.Add(1)
	if r.deadLetters.Park(ctx, it, f) {
		c.DeadLettered++
		return
	}
	c.Returned++
	it.Receipt.Done(f.Err)
}

// returnToSource returns an event to its source, which brings it again.
func (r *route) returnToSource(it queue.Item, err error, c *stats.RouteCounts) {
	r.failed(err)
	it.Receipt.Add(1)
	c.Returned++
	it.Receipt.Done(err)
}

// failed counts an event on which a transform has failed.
func (r *route) failed(err error) {
	r.failures.Add(1)
	r.health.Failed(err)
}

// respec notes what has changed around a route that runs on.
func (r *route) respec(spec RouteSpec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spec.From, r.spec.To, r.spec.DeadLetter = spec.From, spec.To, spec.DeadLetter
}

// close closes the transforms. No source uses the route any more.
func (r *route) close(deadline time.Time) error {
	r.closeWindows(deadline)
	var err error
	for _, st := range r.stages {
		err = errors.Join(err, st.Close(deadline))
	}
	return err
}

func (r *route) status() stats.RouteStatus {
	h := r.health.Health()
	r.mu.Lock()
	defer r.mu.Unlock()
	through := []string{}
	for _, transform := range r.spec.Through {
		through = append(through, transform.Name)
	}
	return stats.RouteStatus{
		Name: r.spec.Name, From: r.spec.From, Through: through, To: r.spec.To, DeadLetter: r.spec.DeadLetter,
		RouteCounts: r.record.Counts(),
		Failing:     h.Failing, FailingSince: h.FailingSince, Errors: h.Errors, Panics: h.Panics, LastError: h.LastError, LastErrorAt: h.LastErrorAt,
	}
}
