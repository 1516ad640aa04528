package plugin

import (
	"context"
	"fmt"

	"eventgateway/gateway/event"
)

// BatchTransform transforms several events at once, for example merges them into one. There is one instance
// per route, and it is never called concurrently. The router collects the events, as the option collect of
// the transform says, and measures the time. So a BatchTransform keeps no events between two calls.
type BatchTransform interface {
	// ApplyBatch calls emit for each event that it makes of the window: none, one or many, which may be
	// events of the window. It calls emit in its own goroutine and before it returns. It must not change the
	// events or their bytes. The events of the window count as delivered when all emitted events are.
	// If ApplyBatch returns an error or emits nil, no emitted event is delivered, and on_error decides about
	// the events of the window: by default, each is parked as a dead letter. After an error marked by
	// [Unavailable] they are returned to a source that can replay.
	ApplyBatch(ctx context.Context, w Window, emit func(*event.Event)) error
}

// Window is the events that a [BatchTransform] gets at once: at least one, in order, all of one
// source and with one value of the option collect.by.
type Window struct {
	// Events are the events of the window. The plugin may change the slice.
	Events []*event.Event
	// By is the value of collect.by for each of the events; "" if it is not set, or cannot be evaluated.
	By string
}

// BatchTransformType is a type of a [BatchTransform]; see [Type.AsBatch].
type BatchTransformType = Type[BatchTransform]

// NewBatchTransform returns a type of transform that gets windows of events. The parameters are those of
// [NewTransform].
func NewBatchTransform[O any](name, summary string, defaults func() O, build func(O, Env) (BatchTransform, error)) TransformType {
	batch := newType(KindTransform, name, summary, defaults, build)
	return Type[Transform]{
		kind: batch.kind, name: name, summary: summary, defaults: batch.defaults, batch: batch.build,
		build: func(any, Env) (Transform, error) {
			return nil, fmt.Errorf("the transform type %q is a batch transform: build it by AsBatch", name)
		},
	}
}

// AsBatch returns the type as one whose instances are batch transforms. ok is false if it was not
// made by [NewBatchTransform].
func (t Type[T]) AsBatch() (batch BatchTransformType, ok bool) {
	return BatchTransformType{
		kind: t.kind, name: t.name, summary: t.summary, defaults: t.defaults, build: t.batch, commands: t.commands, capabilities: t.capabilities, optional: t.optional,
	}, t.batch != nil
}
