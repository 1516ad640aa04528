package wasm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// startTime bounds the start of an instance.
const startTime = 5 * time.Second

var errClosed = errors.New("the transform is closed")

// transform runs one instance of the guest at a time.
type transform struct {
	opts    Options
	options []byte // JSON
	env     plugin.Env
	metrics *metrics

	mu      sync.Mutex // guards the fields below; a call may come after Close
	closed  bool
	runtime wazero.Runtime
	module  wazero.CompiledModule
	guest   *guest // nil: the next event starts a new one
	call    call
}

// call has the state of one call of the guest, for the functions of the host. Without a call the event is nil.
type call struct {
	event  *event.Event
	attrs  []byte // of the event, as JSON; nil before they are read
	emit   func(*event.Event)
	events int
	bytes  int
	failed error  // set by the function fail
	fault  *fault // set by a function of the host
}

// Apply is part of [plugin.Transform].
func (t *transform) Apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return plugin.Unavailable(errClosed)
	}
	if t.guest == nil {
		if err := t.start(ctx); err != nil {
			return err
		}
	}
	t.call = call{event: e, emit: emit}
	err := t.guest.apply(ctx, len(e.Data), t.opts.Timeout.D())
	failed, fault := t.call.failed, t.call.fault
	t.call = call{}
	if err != nil || t.guest.cancelled() { // if the guest has ended just in time, its events count
		if err != nil {
			failed = t.classify(ctx, t.guest, err, fault)
		}
		t.discard()
		return failed
	}
	t.metrics.memory.Set(float64(t.guest.memory.Size()))
	return failed
}

// emitPayload emits an event with a payload. The first one has the ID of the event of the call. Each further one has a number behind that ID,
// because receivers drop events with the same ID.
func (c *call) emitPayload(payload []byte) {
	made := c.event.WithData(payload)
	if c.events > 0 && made.ID != "" {
		made.ID += "/" + strconv.Itoa(c.events)
	}
	c.events, c.bytes = c.events+1, c.bytes+len(payload)
	c.emit(made)
}

// start makes an instance of the guest.
func (t *transform) start(ctx context.Context) error {
	t.call = call{}
	g, err := newGuest(ctx, t.runtime, t.module, t.env)
	if err != nil {
		err = fmt.Errorf("the module does not start: %w", t.classify(ctx, g, err, t.call.fault))
		g.close()
		return err
	}
	t.guest = g
	t.metrics.starts.Inc()
	return nil
}

// discard ends the instance.
func (t *transform) discard() {
	t.guest.close()
	t.guest = nil
	t.metrics.memory.Set(0)
}

// Close is part of [plugin.Closer].
func (t *transform) Close(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.guest != nil {
		t.discard()
	}
	var err error
	if t.module != nil {
		err = t.module.Close(ctx)
	}
	if t.runtime != nil {
		err = errors.Join(err, t.runtime.Close(ctx))
	}
	return err
}

// takesSize reports whether a function has the signature of the guest's function apply.
func takesSize(f api.FunctionDefinition) bool {
	return len(f.ResultTypes()) == 0 && len(f.ParamTypes()) == 1 && f.ParamTypes()[0] == api.ValueTypeI32
}
