package router

import (
	"context"
	"slices"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// A route collects the events of a batch transform in windows. The goroutine that ends a window applies the transform to it:
// that of a source whose event makes it full, or which reports a gap, or the timer's. All hold busy.

// collect puts events into the windows of a stage, and applies it to those that have ended.
func (r *route) collect(ctx context.Context, at int, events []*event.Event, rec *ack.Receipt, to []*edge, c *stats.RouteCounts) error {
	c.Held += uint64(len(events))
	r.record.Add(c)
	if early := r.stages[at].windows.add(events, rec, &r.eval); early > 0 {
		r.record.Add(&stats.RouteCounts{WindowsEndedEarly: early})
	}
	return r.applyWindows(ctx, at, to)
}

// applyWindows applies a stage to its windows that have ended, until ctx ends: the others stay.
func (r *route) applyWindows(ctx context.Context, at int, to []*edge) (err error) {
	for ctx.Err() == nil {
		w, over := r.stages[at].windows.next()
		switch {
		case w == nil:
			return err
		case over:
			r.giveWindowBack(w, ack.ErrStopping)
		default:
			if werr := r.applyWindow(ctx, at, w, to); werr != nil {
				err = werr
			}
		}
	}
	return err
}

func (r *route) applyWindow(ctx context.Context, at int, w *window, to []*edge) error {
	st, rec := r.stages[at], ack.Joint(w.receipts)
	failures := r.failures.Load()
	before := r.beginSpan(w.events, failures)
	c := stats.RouteCounts{Held: -uint64(len(w.events))}
	st.out = r.scratch[at%2][:0]
	events, passed, err := r.applyToEvents(ctx, st, w, rec, &c)
	n, made := uint64(len(events)), uint64(len(st.out)-passed)
	var look *look
	if r.tap.Watched() {
		look = r.lookAtWindow(at, w.events)
	}
	switch {
	case err != nil && rec != nil && ctx.Err() != nil: // it was cut short
		for _, e := range events {
			r.returnToSource(queue.Item{Event: e, Receipt: rec}, err, &c)
		}
	case err != nil:
		for _, e := range events {
			st.fail(ctx, r, e, rec, err, &c)
		}
	case made == 0:
		c.Filtered += n
	case made < n:
		c.Merged += n - made
	default:
		c.Added += made - n
	}
	if err == nil {
		complete(st.out, w.events[0])
	}
	r.scratch[at%2] = st.out
	look.windowApplied(at, st, err, c.DeadLettered)
	err = r.run(ctx, at+1, st.out, rec, to, &c, failures, look)
	r.endSpan(before, &c, err)
	look.end(to)
	rec.Done(err)
	return err
}

// applyToEvents applies a stage to the events of a window. Where the stage fails on single events, on_error decides about these,
// and the stage is applied again to the others. It returns the others, how many of the failed events go on, and
// an error if the stage has failed on the others, or on all events.
func (r *route) applyToEvents(ctx context.Context, st *stage, w *window, rec *ack.Receipt, c *stats.RouteCounts) (left []*event.Event, passed int, err error) {
	for left = w.events; ; {
		err = st.apply(ctx, nil, &plugin.Window{Events: slices.Clone(left), By: w.by}, r.health)
		if st.each == nil || rec != nil && ctx.Err() != nil {
			return left, passed, err
		}
		var others []*event.Event
		for i, e := range left {
			if st.each[i] == nil {
				others = append(others, e)
			} else {
				st.fail(ctx, r, e, rec, st.each[i], c)
			}
		}
		passed = len(st.out)
		if left = others; len(left) == 0 {
			return nil, passed, err
		}
	}
}

// complete sets what the plugin has left out in events that it has made of others.
func complete(made []*event.Event, first *event.Event) {
	for _, e := range made {
		if e.Time.IsZero() {
			e.Time = first.Time
			if e.Origin.IsZero() { // an event with a time is one of the window, which other goroutines may read
				e.Origin = first.Origin
			}
		}
		if e.Source == "" {
			e.Source = first.Source
		}
		if e.Fence == nil && first.Fence != nil {
			e.Fence = first.Fence
		}
	}
}

// giveWindowBack settles the events of a window that is not applied: their source brings them again.
func (r *route) giveWindowBack(w *window, why error) {
	n := uint64(len(w.events))
	r.record.Add(&stats.RouteCounts{Held: -n, Returned: n})
	rec := ack.Joint(w.receipts)
	if rec == nil {
		r.log.Error("window given up", "events", n, "error", why, "effect", "events that no source can replay are lost")
	}
	rec.Done(why)
}

// windowsDue applies a stage to its windows whose time is over.
func (r *route) windowsDue(at int) {
	r.busy.Lock()
	defer r.busy.Unlock()
	r.stages[at].windows.endDue(time.Now())
	r.outputs.Use(func(to []*edge) { _ = r.applyWindows(r.ctx, at, to) }) // what a stop cuts short is settled
	r.clearScratch()
}

// flush applies the stages to all that their windows hold of a source, or of all with nil, and before that
// has the predecessor do so. It ends when ctx does.
func (r *route) flush(ctx context.Context, of *ack.Tracker) {
	if old := r.predecessor.Load(); old != nil {
		old.flush(ctx, of)
	}
	if !r.windowed {
		return
	}
	r.busy.Lock()
	defer r.busy.Unlock()
	r.outputs.Use(func(to []*edge) {
		for at, st := range r.stages {
			if st.windows != nil {
				st.windows.endOf(of)
				_ = r.applyWindows(ctx, at, to)
			}
		}
	})
	r.clearScratch()
}

// flushBy flushes all windows. What is left at abortAt is given back. A transform that does not return
// is left alone at deadline.
func (r *route) flushBy(abortAt, deadline time.Time) {
	if !r.windowed && r.predecessor.Load() == nil {
		return
	}
	ctx, cancel := context.WithDeadline(context.Background(), abortAt)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		r.flush(ctx, nil)
		r.returnWindows(func(*window) bool { return true }, ack.ErrStopping)
	}()
	if !backoff.ClosedBy(done, deadline) {
		r.log.Error("windows not flushed in time", "reason", "a transform does not return")
	}
}

// succeed makes r the successor of old, which may be nil. It runs until ctx ends.
func (r *route) succeed(old *route, ctx context.Context) {
	if old != nil && (old.windowed || old.predecessor.Load() != nil) {
		r.predecessor.Store(old)
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
}

// returnWindows returns the windows for which is returns true to their sources, also those of the predecessor.
func (r *route) returnWindows(is func(*window) bool, why error) {
	if old := r.predecessor.Load(); old != nil {
		old.returnWindows(is, why)
	}
	for _, st := range r.stages {
		if st.windows != nil {
			for _, w := range st.windows.take(is) {
				r.giveWindowBack(w, why)
			}
		}
	}
}

// closeWindows gives back what the windows still hold: nothing is applied any more.
func (r *route) closeWindows(deadline time.Time) {
	if r.cancel != nil {
		r.cancel()
	}
	for _, st := range r.stages {
		if st.windows != nil {
			st.windows.close(deadline)
		}
	}
	r.returnWindows(func(*window) bool { return true }, ack.ErrStopping)
}

// flushWindows flushes what routes hold of a source that has ended, until ctx ends.
func (s *source) flushWindows(ctx context.Context) {
	s.wiring.Use(func(routes []wired) {
		for _, w := range routes {
			w.route.flush(ctx, s.tracker)
		}
	})
}

// returnWindows gives back what routes hold of a source that does not lead any more.
func (s *source) returnWindows(why error) {
	s.wiring.Use(func(routes []wired) {
		for _, w := range routes {
			w.route.returnWindows(func(w *window) bool { return w.of(s.tracker) }, why)
		}
	})
}
