package plugin

import (
	"fmt"
	"slices"
)

// Kind is one of the three kinds of plugins.
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
	batch        func(opts any, env Env) (BatchTransform, error) // nil if it is no batch transform
	commands     []Command
	capabilities []Capability
	optional     []Capability // with some options
	rights       []Right
	maxBatch     int
	bounded      bool // maxBatch was set
}

// Capability is an optional feature of a plugin type. Some options depend on it, so it belongs to the type and
// not to the instance.
type Capability string

// The capabilities.
const (
	// Replays is the capability of a source that gives every batch an Ack, and redelivers
	// batches that are not acked.
	Replays Capability = "replays"
	// AnswersSenders is the capability of a source whose senders wait for an answer and send again what was not taken, such as clients of
	// HTTP. It emits by TryEmit, and gives every batch an Ack of its own, a Verdict of package inflight. It redelivers nothing
	// itself.
	AnswersSenders Capability = "answers its senders"
	// ElectsLeader is the capability of a source that is an [Elector].
	ElectsLeader Capability = "elects a leader"
	// Concurrent is the capability of a sink whose Write may be called concurrently.
	Concurrent Capability = "takes concurrent writes"
	// Deduplicates is the capability of a transform that drops events which it has seen before, also
	// those that a source redelivers.
	Deduplicates Capability = "drops repeats"
	// Stateful is the capability of a transform whose result depends on earlier events, or on the time. Two
	// gateways may make different events of one.
	Stateful Capability = "depends on earlier events"
	// KeepsFields is the capability of a transform that moves no value to a field of another name, or into another event. So
	// the values that a later [Hider] hides are in the same fields before the transform.
	KeepsFields Capability = "keeps fields"
	// Durable is the capability of a sink that has stored events when Write returns.
	Durable Capability = "durable"
	// KeepsState is the capability of a plugin of any kind that uses the State of its [Env].
	KeepsState Capability = "keeps state"
)

// With returns the type with more capabilities.
func (t Type[T]) With(capabilities ...Capability) Type[T] {
	t.capabilities = append(slices.Clone(t.capabilities), capabilities...)
	return t
}

// CapabilityOptions is implemented by the options of a type some of whose capabilities depend on them; see [Type.WithOptional].
type CapabilityOptions interface {
	// Capabilities returns those of the optional capabilities of the type that a plugin with these options has.
	Capabilities() []Capability
}

// WithOptional returns the type with capabilities that its plugins have if their options, a [CapabilityOptions], say so.
func (t Type[T]) WithOptional(capabilities ...Capability) Type[T] {
	t.optional = append(slices.Clone(t.optional), capabilities...)
	return t
}

// Has reports whether all plugins of the type have a capability.
func (t Type[T]) Has(capability Capability) bool { return slices.Contains(t.capabilities, capability) }

// HasWith reports whether a plugin with the options opts has a capability. opts is a pointer that [Type.Defaults] has returned.
func (t Type[T]) HasWith(opts any, capability Capability) bool {
	if t.Has(capability) {
		return true
	}
	o, ok := opts.(CapabilityOptions)
	return ok && slices.Contains(t.optional, capability) && slices.Contains(o.Capabilities(), capability)
}

// Optional returns the capabilities that depend on options.
func (t Type[T]) Optional() []Capability { return t.optional }

// Capabilities returns the capabilities of the type.
func (t Type[T]) Capabilities() []Capability { return t.capabilities }

// WithMaxBatch returns the type of a sink that gets at most n events in one Write; n is at least 1.
func (t Type[T]) WithMaxBatch(n int) Type[T] {
	t.maxBatch = n
	t.bounded = true
	return t
}

// MaxBatch returns how many events one Write of a sink of this type gets at most. bounded is false
// if only the queue bounds it.
func (t Type[T]) MaxBatch() (n int, bounded bool) { return t.maxBatch, t.bounded }

// The three kinds of types.
type (
	SourceType    = Type[Source]
	TransformType = Type[Transform]
	SinkType      = Type[Sink]
)

// Set is all plugin types of a gateway.
type Set struct {
	Sources    []SourceType
	Transforms []TransformType
	Sinks      []SinkType
}

// Join returns the types of s and of others.
func (s Set) Join(others ...Set) Set {
	for _, o := range others {
		s.Sources = slices.Concat(s.Sources, o.Sources)
		s.Transforms = slices.Concat(s.Transforms, o.Transforms)
		s.Sinks = slices.Concat(s.Sinks, o.Sinks)
	}
	return s
}

// Kind returns the kind of the plugin.
func (t Type[T]) Kind() Kind { return t.kind }

// Name returns the value of the option type in a configuration.
func (t Type[T]) Name() string { return t.name }

// Summary returns one line that describes the plugin.
func (t Type[T]) Summary() string { return t.summary }

// Defaults returns a pointer to a new options struct that holds the defaults.
func (t Type[T]) Defaults() any { return t.defaults() }

// Build returns an instance. opts is a pointer that [Type.Defaults] has returned. Build does no I/O, so that
// a configuration can be checked offline.
func (t Type[T]) Build(opts any, env Env) (T, error) { return t.build(opts, env) }

// NewSource returns a type of source. defaults returns the options with their
// defaults; build returns an instance and must do no I/O.
func NewSource[O any](name, summary string, defaults func() O, build func(O, Env) (Source, error)) SourceType {
	return newType(KindSource, name, summary, defaults, build)
}

// NewTransform returns a type of transform. The parameters are those of [NewSource].
func NewTransform[O any](name, summary string, defaults func() O, build func(O, Env) (Transform, error)) TransformType {
	return newType(KindTransform, name, summary, defaults, build)
}

// NewSink returns a type of sink. The parameters are those of [NewSource].
func NewSink[O any](name, summary string, defaults func() O, build func(O, Env) (Sink, error)) SinkType {
	return newType(KindSink, name, summary, defaults, build)
}

// NewDynamic returns a type whose options are made when the gateway starts, such as by [reflect.StructOf] from a manifest. defaults
// returns a pointer to a new struct with the defaults, always of the same type; build gets such a pointer, and must do no I/O. T
// is [Source], [Transform] or [Sink], and kind says the same.
func NewDynamic[T any](kind Kind, name, summary string, defaults func() any, build func(opts any, env Env) (T, error)) Type[T] {
	return Type[T]{kind: kind, name: name, summary: summary, defaults: defaults, build: build}
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
