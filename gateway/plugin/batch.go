package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"eventgateway/gateway/event"
)

// BatchTransform transforms several events at once, for example merges them into one. There is one instance
// per route, and it is never called concurrently. The router collects the events, as the option collect of
// the transform says, and measures the time. So a BatchTransform stores no events between two calls.
type BatchTransform interface {
	// ApplyBatch calls emit for each event that it makes of the window: none, one or many, which may be
	// events of the window. It calls emit in its own goroutine and before it returns. It must not change the
	// events or their bytes. The events of the window count as delivered when all emitted events are.
	// If ApplyBatch returns an error or emits nil, no emitted event is delivered, and on_error decides about
	// the events of the window: by default, each is parked as a dead letter. After an error marked by
	// [Unavailable] they are returned to a source that can replay. If the error was made by [Failed], all that concerns
	// only the failed events, and ApplyBatch is called again with the others, if there are any.
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

// Merged returns a new event with what all events of the window have in common: channel, key and attributes, and the times
// of the first. Its key is By where that is set. It has no payload. Its ID is that of the only event, or the prefix and a hash of all
// IDs, so that the same events have the same ID when they come again; "" if one has none.
func (w Window) Merged(prefix string) *event.Event {
	made := *w.Events[0]
	made.Data, made.Attempts = nil, nil
	made.Attrs = slices.Clone(made.Attrs)
	ids := sha256.New()
	for _, e := range w.Events {
		if e.Channel != made.Channel {
			made.Channel = ""
		}
		if e.Key != made.Key {
			made.Key = ""
		}
		made.Attrs = slices.DeleteFunc(made.Attrs, func(a event.Attr) bool {
			value, ok := e.Attr(a.Name)
			return !ok || value != a.Value
		})
		if e.ID == "" {
			made.ID = ""
		}
		_, _ = ids.Write(binary.BigEndian.AppendUint32(nil, uint32(len(e.ID)))) // never fails
		_, _ = ids.Write([]byte(e.ID))
	}
	if made.ID != "" && len(w.Events) > 1 {
		made.ID = prefix + hex.EncodeToString(ids.Sum(nil)[:16])
	}
	if w.By != "" {
		made.Key = w.By
	}
	return &made
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
