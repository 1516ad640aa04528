package router

import (
	"context"
	"errors"
	"fmt"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// stage is one instance of a transform, in one route.
type stage struct {
	*component.Component
	impl    plugin.Transform
	batch   plugin.BatchTransform // in place of impl, where windows is set
	windows *windows              // events that wait for batch; nil: each event goes to impl at once
	failure Failure

	out        []*event.Event     // what the events of the present batch have become
	emit       func(*event.Event) // appends to out
	each       []error            // of the events of the last window, if ApplyBatch failed on single events; else nil
	applying   bool               // Apply or ApplyBatch has not returned
	emittedNil bool
}

var (
	errNilEvent  = errors.New("the plugin has emitted nil as an event")
	errLateEvent = errors.New("the plugin has called emit after Apply or ApplyBatch has returned: the event is lost")
)

func newStage(c *component.Component, failure Failure) *stage {
	st := &stage{Component: c, failure: failure}
	st.emit = func(e *event.Event) {
		switch {
		case !st.applying: // the event of the call is settled already
			st.Health.Failed(errLateEvent)
			st.Log.Error("plugin breaks the contract", "error", errLateEvent)
		case e == nil:
			st.emittedNil = true
		default:
			st.out = append(st.out, e)
		}
	}
	return st
}

// apply calls the transform with an event, or with a window where there is one. It appends to out. A panic is
// an error like any other. After an error nothing is appended.
func (st *stage) apply(ctx context.Context, e *event.Event, w *plugin.Window, h *stats.Monitor) (err error) {
	before := len(st.out)
	st.applying, st.emittedNil, st.each = true, false, nil
	defer func() {
		st.applying = false
		if p := recover(); p != nil {
			h.Panicked(st.Redactor.Text(fmt.Sprint(p)))
			err = st.Redactor.Error(fmt.Errorf("panic: %v", p))
		}
		if err != nil {
			clear(st.out[before:])
			st.out = st.out[:before]
		}
	}()
	if w != nil {
		err = st.batch.ApplyBatch(ctx, *w, st.emit)
		st.setEach(err, len(w.Events))
	} else {
		err = st.impl.Apply(ctx, e, st.emit)
	}
	if err != nil {
		return st.Redactor.Error(err)
	}
	if st.emittedNil {
		return errNilEvent
	}
	return nil
}

// setEach sets each for an error of a window of n events.
func (st *stage) setEach(err error, n int) {
	each, single := plugin.Outcomes(err, n)
	if !single {
		return
	}
	for i, err := range each {
		each[i] = st.Redactor.Error(err)
	}
	st.each = each
}

// prepare announces events to a transform that is a Preparer. A panic is counted, and Apply decides about the events.
func (st *stage) prepare(ctx context.Context, events []*event.Event, h *stats.Monitor) {
	p, ok := st.impl.(plugin.Preparer)
	if !ok || len(events) < 2 {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			h.Panicked(st.Redactor.Text(fmt.Sprint(p)))
		}
	}()
	p.Prepare(ctx, events)
}

// fail settles an event on which the stage has failed, as on_error says. It reports whether the event was returned to
// its source, because the transform's server is unavailable.
func (st *stage) fail(ctx context.Context, r *route, e *event.Event, rec *ack.Receipt, err error, c *stats.RouteCounts) (unavailable bool) {
	switch {
	case st.failure.OnError == OnErrorPass:
		r.failed(err)
		st.out = append(st.out, e)
	case st.failure.OnError == OnErrorDrop:
		r.failed(err)
		c.Dropped++
	case rec != nil && plugin.IsUnavailable(err):
		r.returnToSource(queue.Item{Event: e, Receipt: rec}, err, c)
		return true
	default:
		f := deadletter.Failure{Component: "route " + r.spec.Name + ", transform " + st.Name, Err: err, Attempts: 1}
		r.park(ctx, queue.Item{Event: e, Receipt: rec}, f, c)
	}
	return false
}

// plugin returns the instance.
func (st *stage) plugin() any {
	if st.windows != nil {
		return st.batch
	}
	return st.impl
}
