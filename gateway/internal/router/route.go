package router

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// route carries the events of its sources through its transforms to the queues
// of its sinks, in the goroutine of the source.
type route struct {
	spec    RouteSpec
	health  *health // errors and panics of its transforms
	stages  []*stage
	letters letterbox

	busy    sync.Mutex     // transforms are never called concurrently
	eval    expr.Evaluator // of when
	scratch [2][]*event.Event

	failures atomic.Uint64 // as health counts them
	past     uint64        // of those, the ones before a batch without any; busy guards it

	mu      sync.Mutex
	counts  RouteCounts
	before  *route // the predecessor, until nobody uses it any more
	carried RouteCounts
}

// carry takes a batch through the route to sinks. It blocks for backpressure only.
// taken, which may be nil, is told which events the route takes.
func (r *route) carry(ctx context.Context, events []*event.Event, taken []bool, rec *receipt, to []*edge) error {
	r.busy.Lock()
	defer r.busy.Unlock()
	failures := r.failures.Load()
	c := RouteCounts{In: uint64(len(events))}
	events = r.choose(ctx, events, taken, rec, &c)
	for i, st := range r.stages {
		st.out = r.scratch[i%2][:0]
		var gone error // why the batch goes back to its source: the transform's server is away
		for _, e := range events {
			before, err := len(st.out), gone
			if gone == nil {
				err = st.apply(ctx, e, r.health)
			}
			switch made := len(st.out) - before; {
			case err != nil && st.failure.OnError == OnErrorPass:
				r.note(err)
				st.out = append(st.out, e)
			case err != nil && st.failure.OnError == OnErrorDrop:
				r.note(err)
				c.Dropped++
			case rec != nil && plugin.IsAway(err):
				gone = err
				r.giveBack(item{ev: e, receipt: rec}, err, &c)
			case err != nil:
				r.park(ctx, item{ev: e, receipt: rec}, letter{component: "route " + r.spec.Name + ", transform " + st.name, err: err, attempts: 1}, &c)
			case made == 0:
				c.Filtered++
			default:
				c.Added += uint64(made - 1)
			}
		}
		r.scratch[i%2], events = st.out, st.out
	}
	c.Out = uint64(len(events))
	r.count(c)
	if c.In > 0 && failures != r.past && failures == r.failures.Load() {
		r.past = failures
		r.health.works()
	}
	var err error
	for _, e := range to {
		own := rec
		if e.sink.spec.Delivery.BestEffort {
			own = nil
		}
		own.add(len(events))
		if perr := e.put(ctx, events, own); perr != nil {
			err = perr
		}
	}
	clear(r.scratch[0]) // what was carried is not kept alive
	clear(r.scratch[1])
	return err
}

// refuse parks events that their source will not have delivered.
func (r *route) refuse(ctx context.Context, events []*event.Event, rec *receipt, why letter) {
	c := RouteCounts{In: uint64(len(events))}
	for _, e := range events {
		r.park(ctx, item{ev: e, receipt: rec}, why, &c)
	}
	r.count(c)
}

// park settles an event that a transform fails on.
func (r *route) park(ctx context.Context, it item, why letter, c *RouteCounts) {
	r.note(why.err)
	it.receipt.add(1)
	switch r.letters.park(ctx, it, why) {
	case parked:
		c.DeadLettered++
	case refused:
		c.Returned++
		it.receipt.done(why.err)
	}
}

// giveBack settles an event that no transform has failed on: its source brings it again.
func (r *route) giveBack(it item, why error, c *RouteCounts) {
	r.note(why)
	it.receipt.add(1)
	c.Returned++
	it.receipt.done(why)
}

// note counts an event that a transform has failed on.
func (r *route) note(err error) {
	r.failures.Add(1)
	r.health.note(err)
}

func (r *route) count(c RouteCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts = r.counts.plus(c)
}

// respec notes what has changed around a route that runs on.
func (r *route) respec(spec RouteSpec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spec.From, r.spec.To, r.spec.DeadLetter = spec.From, spec.To, spec.DeadLetter
}

// close closes the transforms; nobody uses the route any more.
func (r *route) close(deadline time.Time) error {
	var err error
	for _, st := range r.stages {
		err = errors.Join(err, st.close(deadline))
	}
	return err
}

// inherit takes over the counts of the predecessor, once nobody uses it any more.
func (r *route) inherit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.before
	if old == nil {
		return
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	r.carried = r.carried.plus(old.counts).plus(old.carried)
	r.before = nil
	r.health.inherit(old.health)
}

func (r *route) status() RouteStatus {
	h := r.health.snapshot()
	r.mu.Lock()
	defer r.mu.Unlock()
	st := RouteStatus{
		Name: r.spec.Name, From: r.spec.From, To: r.spec.To, DeadLetter: r.spec.DeadLetter,
		RouteCounts: r.counts.plus(r.carried),
		Failing:     h.Failing, Errors: h.Errors, Panics: h.Panics, LastError: h.LastError, LastErrorAt: h.LastErrorAt,
	}
	if r.before != nil {
		st.RouteCounts = st.RouteCounts.plus(r.before.status().RouteCounts)
	}
	return st
}
