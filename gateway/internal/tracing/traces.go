package tracing

import (
	"slices"

	"eventgateway/gateway/event"
)

// maxLinks bounds the links of a span, as the libraries of OpenTelemetry do.
const maxLinks = 128

// traces describes the traces of a batch.
type traces struct {
	first   event.TraceParent // the first that is recorded; else the first of all
	one     bool              // all events with a trace have the same one
	sampled bool              // one of them is recorded
	without int               // events without a trace
}

// tracesOf reads the traces of events.
func tracesOf(events []*event.Event) traces {
	t := traces{one: true}
	for _, e := range events {
		p, ok := e.TraceParent()
		switch {
		case !ok:
			t.without++
			continue
		case t.first.TraceID == [16]byte{} || p.Sampled() && !t.sampled:
			t.one = t.one && (t.first.TraceID == [16]byte{} || t.first.TraceID == p.TraceID)
			t.first = p
		case p.TraceID != t.first.TraceID:
			t.one = false
		}
		t.sampled = t.sampled || p.Sampled()
	}
	return t
}

// linksOf returns the places in recorded traces at which the events were made, each once and without the parent.
func linksOf(events []*event.Event, parent event.TraceParent) (links []event.TraceParent) {
	var seen map[event.TraceParent]bool
	last := parent
	for _, e := range events {
		p, ok := e.TraceParent()
		if !ok || !p.Sampled() || p == last || p == parent || seen[p] {
			continue
		}
		if len(links) == maxLinks {
			break
		}
		if seen == nil {
			seen = map[event.TraceParent]bool{}
		}
		seen[p], last, links = true, p, append(links, p)
	}
	return links
}

// Enter sets the attribute traceparent of an event. No component but its source may have access to the event yet.
func Enter(e *event.Event, at event.TraceParent) { e.Attrs = withTraceParent(e.Attrs, at.String()) }

// enter sets the attribute of the events that have no trace, or that of self, to self.
func enter(events []*event.Event, self event.TraceParent) {
	text := self.String()
	for _, e := range events {
		if belongs(e, self) {
			e.Attrs = withTraceParent(e.Attrs, text)
		}
	}
}

// belongs reports whether an event has the trace of self, or none.
func belongs(e *event.Event, self event.TraceParent) bool {
	p, ok := e.TraceParent()
	return !ok || p.TraceID == self.TraceID
}

// withTraceParent returns a copy of attributes in which traceparent has a value.
func withTraceParent(attrs []event.Attr, value string) []event.Attr {
	out := append(make([]event.Attr, 0, len(attrs)+1), attrs...)
	if i := slices.IndexFunc(out, func(a event.Attr) bool { return a.Name == event.AttrTraceParent }); i >= 0 {
		out[i].Value = value
		return out
	}
	return append(out, event.Attr{Name: event.AttrTraceParent, Value: value})
}
