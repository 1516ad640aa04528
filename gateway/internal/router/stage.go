package router

import (
	"context"
	"errors"
	"fmt"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// stage is one instance of a transform.
type stage struct {
	component
	impl    plugin.Transform
	failure Failure

	out      []*event.Event     // what the events of the batch at hand have become
	emit     func(*event.Event) // appends to out
	applying bool               // Apply has not returned
	nothing  bool               // it has emitted nil
}

var errNilEvent = errors.New("the plugin has emitted nil as an event")

func newStage(c component, failure Failure) *stage {
	st := &stage{component: c, failure: failure}
	st.emit = func(e *event.Event) {
		switch {
		case !st.applying: // the event that it belongs to is settled
			st.health.note(errLate)
			st.log.Error("plugin called emit after Apply has returned: the event is lost")
		case e == nil:
			st.nothing = true
		default:
			st.out = append(st.out, e)
		}
	}
	return st
}

var errLate = errors.New("the plugin has called emit after Apply has returned: the event is lost")

// apply calls the transform, which appends to out. A panic is an error like any other. After an
// error nothing was appended.
func (st *stage) apply(ctx context.Context, e *event.Event, h *health) (err error) {
	before := len(st.out)
	st.applying, st.nothing = true, false
	defer func() {
		st.applying = false
		if p := recover(); p != nil {
			h.panicked(st.redactor.Text(fmt.Sprint(p)))
			err = st.redactor.Error(fmt.Errorf("panic: %v", p))
		}
		if err != nil {
			clear(st.out[before:])
			st.out = st.out[:before]
		}
	}()
	if err := st.impl.Apply(ctx, e, st.emit); err != nil {
		return st.redactor.Error(err)
	}
	if st.nothing {
		return errNilEvent
	}
	return nil
}
