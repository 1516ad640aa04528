package router

import (
	"time"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/state"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Graph is a decoded configuration, which a router runs.
type Graph struct {
	Sources []SourceSpec
	Sinks   []SinkSpec
	Routes  []RouteSpec
	// DrainTimeout is how long a stop may take, and how long components that a reload
	// replaces or removes may take to end.
	DrainTimeout time.Duration
	// Now and NewID go to the plugins, see [plugin.Env]; nil for the real ones.
	Now   func() time.Time
	NewID func() string
	// DryRun goes to the plugins, too.
	DryRun bool
	// State stores the state of the components; nil is a new store in memory.
	State state.Store
}

// SourceSpec is one configured source.
type SourceSpec struct {
	Name    string
	Type    plugin.SourceType
	Options any // as Type.Defaults made them
	Capture Capture
	// Redactor removes its secrets from errors and logs; nil: those that Options holds.
	Redactor *options.Redactor
}

// TransformSpec is one configured transform. Each route gets an instance of its
// own.
type TransformSpec struct {
	Name    string
	Type    plugin.TransformType
	Options any
	Failure Failure
	Collect Collect // of a batch transform
	// Redactor removes its secrets from errors and logs; nil: those that Options holds.
	Redactor *options.Redactor
}

// SinkSpec is one configured sink.
type SinkSpec struct {
	Name     string
	Type     plugin.SinkType
	Options  any
	Delivery delivery.Options
	// Redactor removes its secrets from errors and logs; nil: those that Options holds.
	Redactor *options.Redactor
}

// RouteSpec connects sources through transforms to sinks, by name.
type RouteSpec struct {
	Name       string
	From       []string
	When       expr.Condition // only events for which it holds are taken; zero: all
	Else       bool           // only events that no other route of their source has taken
	Through    []TransformSpec
	To         []string
	DeadLetter string // sink for events that a transform fails on; "" is the list in memory
	// Redactor removes the secrets of When from errors; nil: there are none.
	Redactor *options.Redactor
}
