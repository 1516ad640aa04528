package tracing

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
)

// Switch holds the tracer in use. All components of a graph share one, so that a reload also changes it for components that
// keep running. The zero value is off.
type Switch struct{ current atomic.Pointer[Tracer] }

// Tracer returns the tracer in use; nil while tracing is off.
func (s *Switch) Tracer() *Tracer {
	if s == nil {
		return nil
	}
	return s.current.Load()
}

// Set changes the tracer in use; nil is off. It returns the one before.
func (s *Switch) Set(t *Tracer) (before *Tracer) { return s.current.Swap(t) }

// Tracer begins spans. A nil *Tracer is off: its methods return nil.
type Tracer struct {
	sample   uint64 // of the traces that begin here, those with a smaller number are recorded
	all      bool   // all of these are
	exporter *exporter
}

// hop is the kind of component that a span belongs to.
type hop int

const (
	source hop = iota
	route
	sink
)

// String returns the first word of the span's name.
func (h hop) String() string { return [...]string{"source", "route", "sink"}[h] }

// Emitted begins the span of a batch that a source emits, and enters each event into a trace: that of its attribute
// traceparent, else a new one. It changes the attributes of the events, so no component may have them yet. It returns
// nil where no trace of the batch is recorded.
func (t *Tracer) Emitted(name string, events []*event.Event) *Span {
	if t == nil { // the methods of a component that is off are inlined
		return nil
	}
	return t.first(name, events)
}

// first begins the span of a source.
func (t *Tracer) first(name string, events []*event.Event) *Span {
	if len(events) == 0 {
		return nil
	}
	traces := tracesOf(events)
	var begun event.TraceParent // the new trace of the events without one
	if traces.without > 0 {
		begun = event.TraceParent{TraceID: newTraceID(), SpanID: newSpanID()}
		if t.samples(begun.TraceID) {
			begun.Flags = 1
		}
	}
	if !traces.sampled && !begun.Sampled() {
		if traces.without > 0 {
			enter(events, begun)
		}
		return nil
	}
	s := t.begin(source, name, events, traces)
	if traces.without == len(events) {
		s.self.TraceID = begun.TraceID
	}
	enter(events, s.self)
	return s
}

// Routed begins the span of a batch on a route. It returns nil where no trace of the batch is recorded.
func (t *Tracer) Routed(name string, events []*event.Event) *Span {
	if t == nil {
		return nil
	}
	return t.next(route, name, events)
}

// Writes begins the span of a write of a sink. It returns nil where no trace of the batch is recorded.
func (t *Tracer) Writes(name string, events []*event.Event) *Span {
	if t == nil {
		return nil
	}
	return t.next(sink, name, events)
}

// next begins a span of a route or sink. Events without a trace were emitted while tracing was off.
func (t *Tracer) next(h hop, name string, events []*event.Event) *Span {
	traces := tracesOf(events)
	if !traces.sampled {
		return nil
	}
	return t.begin(h, name, events, traces)
}

// begin begins a span. It belongs to the trace of the events if they all have the same one; else to a trace of its own, with
// links to theirs.
func (t *Tracer) begin(h hop, name string, events []*event.Event, traces traces) *Span {
	s := &Span{tracer: t, hop: h, name: name, events: len(events), begin: time.Now()}
	s.self = event.TraceParent{SpanID: newSpanID(), Flags: 1}
	if traces.one && traces.without == 0 {
		s.self.TraceID, s.self.Flags, s.parent = traces.first.TraceID, traces.first.Flags|1, traces.first.SpanID
		s.links = linksOf(events, traces.first)
		return s
	}
	s.self.TraceID = newTraceID()
	s.links = linksOf(events, event.TraceParent{})
	return s
}

// samples reports whether a trace that begins here is recorded.
func (t *Tracer) samples(id [16]byte) bool {
	return t.all || binary.BigEndian.Uint64(id[8:]) < t.sample
}

// newTraceID returns a random ID, which need not be hard to guess.
func newTraceID() (id [16]byte) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	if id == [16]byte{} { // not valid
		id[0] = 1
	}
	return id
}

func newSpanID() (id [8]byte) {
	binary.BigEndian.PutUint64(id[:], max(rand.Uint64(), 1))
	return id
}
