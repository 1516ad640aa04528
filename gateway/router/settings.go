package router

import (
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Graph is what a router is built from: the configuration, decoded.
type Graph struct {
	Sources []SourceSpec
	Sinks   []SinkSpec
	Routes  []RouteSpec
}

// SourceSpec is one configured source.
type SourceSpec struct {
	Name    string
	Type    plugin.SourceType
	Options any // as Type.Defaults made them
}

// TransformSpec is one configured transform. Each route gets an instance of its
// own.
type TransformSpec struct {
	Name    string
	Type    plugin.TransformType
	Options any
}

// SinkSpec is one configured sink.
type SinkSpec struct {
	Name     string
	Type     plugin.SinkType
	Options  any
	Delivery Delivery
}

// RouteSpec connects sources through transforms to sinks, by name.
type RouteSpec struct {
	Name    string
	From    []string
	Through []TransformSpec
	To      []string
}

// Delivery is what every sink may be given beside its own options.
type Delivery struct {
	Queue   Queue            `koanf:"queue"`
	Retry   Retry            `koanf:"retry"`
	Timeout options.Duration `koanf:"timeout" rule:"min=1ms" doc:"how long one write may take"`
}

// Queue bounds what waits for a sink.
type Queue struct {
	Size     int              `koanf:"size" rule:"min=1,max=10000000" doc:"events that may wait"`
	Bytes    options.Size     `koanf:"bytes" rule:"min=1KiB" doc:"payload bytes that may wait"`
	Batch    int              `koanf:"batch" rule:"min=1,max=100000" doc:"most events in one write; a sink takes what waits, and never waits for more"`
	WhenFull string           `koanf:"when_full" rule:"oneof=block|drop_oldest|drop_newest" doc:"what happens to the next event"`
	MaxBlock options.Duration `koanf:"max_block" doc:"with block: how long a full queue may hold up a source that cannot replay, until the oldest events are dropped and reported as a gap"`
}

// Retry says how failed writes are tried again.
type Retry struct {
	Initial  options.Duration `koanf:"initial" rule:"min=1ms" doc:"upper bound of the first pause; pauses are random between zero and their bound (full jitter)"`
	Max      options.Duration `koanf:"max" rule:"min=1ms" doc:"upper bound of every pause, and of one that the receiver asks for"`
	Attempts int              `koanf:"attempts" rule:"min=0" doc:"attempts before an event goes to the dead letters; 0 is without end"`
}

// Check is part of [options.Checker].
func (r *Retry) Check(report func(option, text string)) {
	if r.Max < r.Initial {
		report("max", "must not be less than initial ("+r.Initial.String()+")")
	}
}

// DefaultDelivery is what a sink has that says nothing.
func DefaultDelivery() Delivery {
	return Delivery{
		Queue: Queue{
			Size: 65536, Bytes: 64 << 20, Batch: 512, WhenFull: whenFullBlock,
			MaxBlock: options.Duration(10e9),
		},
		Retry:   Retry{Initial: options.Duration(100e6), Max: options.Duration(30e9)},
		Timeout: options.Duration(30e9),
	}
}

// The policies of [Queue.WhenFull].
const (
	whenFullBlock      = "block"
	whenFullDropOldest = "drop_oldest"
	whenFullDropNewest = "drop_newest"
)
