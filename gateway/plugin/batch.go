package plugin

import (
	"context"
	"fmt"

	"eventgateway/gateway/event"
)

// BatchTransform makes events of several at once, such as one of many. There is one instance per
// route, and it is never called concurrently. The router collects the events, as the option collect of
// the transform says, and keeps the time: a BatchTransform holds nothing between two calls that is to
// be emitted later.
type BatchTransform interface {
	// ApplyBatch calls emit with what becomes of a window, in its own goroutine and before it
	// returns: nothing, one event or many, events of the window among them. It must not change the
	// events or their bytes. The events of the window count as delivered when all that was emitted is.
	// Where ApplyBatch returns an error or emits nil, nothing of the window goes on, and each of its
	// events is parked as a dead letter, or what on_error says. An error marked by [Unavailable] gives them
	// back to a source that can replay.
	ApplyBatch(ctx context.Context, w Window, emit func(*event.Event)) error
}

// Window is the events that a [BatchTransform] gets at once: at least one, in their order, all of one
// source and one value of the option collect.by.
type Window struct {
	// Events are the window's. The slice is the plugin's own.
	Events []*event.Event
	// By is what collect.by is for each of the events; "" where it is not set, or cannot be evaluated.
	By string
}

// BatchTransformType is a type of a [BatchTransform]; see [Type.AsBatch].
type BatchTransformType = Type[BatchTransform]

// NewBatchTransform describes a transform that gets windows of events, as [NewTransform] does one
// that gets one event after the other.
func NewBatchTransform[O any](name, summary string, defaults func() O, build func(O, Env) (BatchTransform, error)) TransformType {
	batch := newType(KindTransform, name, summary, defaults, build)
	return Type[Transform]{
		kind: batch.kind, name: name, summary: summary, defaults: batch.defaults, batch: batch.build,
		build: func(any, Env) (Transform, error) {
			return nil, fmt.Errorf("the transform type %q takes windows of events: build it by AsBatch", name)
		},
	}
}

// AsBatch returns the type as one whose instances are batch transforms. ok is false where it was not
// made by [NewBatchTransform].
func (t Type[T]) AsBatch() (batch BatchTransformType, ok bool) {
	return BatchTransformType{
		kind: t.kind, name: t.name, summary: t.summary, defaults: t.defaults, build: t.batch, commands: t.commands, capabilities: t.capabilities,
	}, t.batch != nil
}
