package plugin

import (
	"fmt"
	"slices"
)

// Kind says where in a route a plugin stands.
type Kind string

// The kinds of plugins.
const (
	KindSource    Kind = "source"
	KindTransform Kind = "transform"
	KindSink      Kind = "sink"
)

// Type describes a plugin of one kind, and builds its instances. T is
// [Source], [Transform] or [Sink]. Make one with [NewSource], [NewTransform],
// [NewBatchTransform] or [NewSink].
type Type[T any] struct {
	kind         Kind
	name         string
	summary      string
	defaults     func() any
	build        func(opts any, env Env) (T, error)
	batch        func(opts any, env Env) (BatchTransform, error) // nil where it makes none
	commands     []Command
	capabilities []Capability
	rights       []Right
	maxBatch     int
	bounded      bool // maxBatch was set
}

// Capability is something that a type of plugin can do beyond its contract. What
// may be configured depends on it, so it is known before anything is built.
type Capability string

// The capabilities.
const (
	// Replays marks a source that gives every batch an Ack, and emits again what
	// was not acked.
	Replays Capability = "replays"
	// ElectsLeader marks a source that is an [Elector].
	ElectsLeader Capability = "elects a leader"
	// Concurrent marks a sink whose Write may be called concurrently.
	Concurrent Capability = "takes concurrent writes"
	// Deduplicates marks a transform that leaves out events which were there before,
	// and so those that a source sends again because they did not arrive.
	Deduplicates Capability = "drops repeats"
	// Durable marks a sink that has stored what it delivered.
	Durable Capability = "durable"
)

// With returns the type with capabilities of its own.
func (t Type[T]) With(capabilities ...Capability) Type[T] {
	t.capabilities = append(slices.Clone(t.capabilities), capabilities...)
	return t
}

// Has says whether the type has a capability.
func (t Type[T]) Has(capability Capability) bool { return slices.Contains(t.capabilities, capability) }

// Capabilities returns the capabilities of the type.
func (t Type[T]) Capabilities() []Capability { return t.capabilities }

// WithMaxBatch returns the type of a sink that takes n events in one Write at most, where its
// queue has more; n is at least 1.
func (t Type[T]) WithMaxBatch(n int) Type[T] {
	t.maxBatch = n
	t.bounded = true
	return t
}

// MaxBatch returns how many events one Write of a sink of this type takes at most. bounded is false
// where only the queue bounds it.
func (t Type[T]) MaxBatch() (n int, bounded bool) { return t.maxBatch, t.bounded }

// The three kinds of types.
type (
	SourceType    = Type[Source]
	TransformType = Type[Transform]
	SinkType      = Type[Sink]
)

// Set is all plugin types that a gateway knows.
type Set struct {
	Sources    []SourceType
	Transforms []TransformType
	Sinks      []SinkType
}

// Kind returns the kind of plugin that this type makes.
func (t Type[T]) Kind() Kind { return t.kind }

// Name returns what stands behind `type:` in a configuration.
func (t Type[T]) Name() string { return t.name }

// Summary returns one line for people.
func (t Type[T]) Summary() string { return t.summary }

// Defaults returns a pointer to a new options struct that holds the defaults.
func (t Type[T]) Defaults() any { return t.defaults() }

// Build makes an instance from options as [Type.Defaults] made them and a
// decoder filled them. It does no I/O, so that a configuration can be checked
// offline.
func (t Type[T]) Build(opts any, env Env) (T, error) { return t.build(opts, env) }

// NewSource describes a source. defaults returns the options with their
// defaults; build makes an instance and does no I/O.
func NewSource[O any](name, summary string, defaults func() O, build func(O, Env) (Source, error)) SourceType {
	return newType(KindSource, name, summary, defaults, build)
}

// NewTransform describes a transform, as [NewSource] does a source.
func NewTransform[O any](name, summary string, defaults func() O, build func(O, Env) (Transform, error)) TransformType {
	return newType(KindTransform, name, summary, defaults, build)
}

// NewSink describes a sink, as [NewSource] does a source.
func NewSink[O any](name, summary string, defaults func() O, build func(O, Env) (Sink, error)) SinkType {
	return newType(KindSink, name, summary, defaults, build)
}

func newType[O, T any](kind Kind, name, summary string, defaults func() O, build func(O, Env) (T, error)) Type[T] {
	return Type[T]{
		kind: kind, name: name, summary: summary,
		defaults: func() any { o := defaults(); return &o },
		build: func(opts any, env Env) (T, error) {
			o, ok := opts.(*O)
			if !ok {
				var zero T
				return zero, fmt.Errorf("%s %q: options are %T, want %T", kind, name, opts, o)
			}
			return build(*o, env)
		},
	}
}
