package router

import (
	"context"
	"errors"
	"fmt"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// stage is one instance of a transform, in one route.
type stage struct {
	*component.Component
	impl    plugin.Transform
	failure Failure

	out        []*event.Event     // what the events of the present batch have become
	emit       func(*event.Event) // appends to out
	applying   bool               // Apply has not returned
	emittedNil bool
}

var (
	errNilEvent  = errors.New("the plugin has emitted nil as an event")
	errLateEvent = errors.New("the plugin has called emit after Apply has returned: the event is lost")
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

// apply calls the transform, which appends to out. A panic is an error like any other. After an
// error nothing is appended.
func (st *stage) apply(ctx context.Context, e *event.Event, h *stats.Monitor) (err error) {
	before := len(st.out)
	st.applying, st.emittedNil = true, false
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
	if err := st.impl.Apply(ctx, e, st.emit); err != nil {
		return st.Redactor.Error(err)
	}
	if st.emittedNil {
		return errNilEvent
	}
	return nil
}
