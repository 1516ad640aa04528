package tracing

import (
	"slices"
	"testing"

	"eventgateway/gateway/event"
)

// newQueue returns a tracer whose spans stay in the queue.
func newQueue(sample float64) *Tracer {
	t := &Tracer{all: sample >= 1, exporter: &exporter{metrics: NewMetrics(), queue: make(chan *Span, 8)}}
	return t
}

// Places in traces of an application.
const (
	inA      = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1111111111111111-01"
	laterInA = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-2222222222222222-01"
	inB      = "00-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-3333333333333333-01"
	notInC   = "00-cccccccccccccccccccccccccccccccc-4444444444444444-00"
)

// eventsOf returns events with attributes traceparent; "" is none.
func eventsOf(parents ...string) (events []*event.Event) {
	for _, p := range parents {
		e := &event.Event{Attrs: []event.Attr{{Name: "table", Value: "orders"}}}
		if p != "" {
			e.Attrs = append(e.Attrs, event.Attr{Name: event.AttrTraceParent, Value: p})
		}
		events = append(events, e)
	}
	return events
}

func parse(t *testing.T, text string) event.TraceParent {
	t.Helper()
	p, ok := event.ParseTraceParent(text)
	if !ok {
		t.Fatalf("%q is no place in a trace", text)
	}
	return p
}

func traceParent(t *testing.T, e *event.Event) event.TraceParent {
	t.Helper()
	text, _ := e.Attr(event.AttrTraceParent)
	return parse(t, text)
}

// TestSpansOfBatches proves to which trace a span belongs, by the traces of its events.
func TestSpansOfBatches(t *testing.T) {
	for name, c := range map[string]struct {
		events []string
		parent string // "": it begins a trace
		links  []string
		none   bool
	}{
		"one trace":              {[]string{inA}, inA, nil, false},
		"one place":              {[]string{inA, inA, inA}, inA, nil, false},
		"two places in a trace":  {[]string{inA, laterInA, laterInA}, inA, []string{laterInA}, false},
		"two traces":             {[]string{inA, inB, inA}, "", []string{inA, inB}, false},
		"one not recorded":       {[]string{notInC, inA}, "", []string{inA}, false},
		"none recorded":          {[]string{notInC, notInC}, "", nil, true},
		"before tracing was on":  {[]string{"", ""}, "", nil, true},
		"one before, and traced": {[]string{"", inA}, "", []string{inA}, false},
		"invalid":                {[]string{"00-xyz"}, "", nil, true},
	} {
		s := newQueue(1).Routed("r", eventsOf(c.events...))
		if s == nil || c.none {
			if (s == nil) != c.none {
				t.Errorf("%s: span %v", name, s)
			}
			continue
		}
		var links []string
		for _, l := range s.links {
			links = append(links, l.String())
		}
		if !slices.Equal(links, c.links) {
			t.Errorf("%s: links %v", name, links)
		}
		switch {
		case c.parent == "" && (s.parent != [8]byte{} || slices.ContainsFunc(s.links, func(l event.TraceParent) bool { return l.TraceID == s.self.TraceID })):
			t.Errorf("%s: it is in the trace %v", name, s.self)
		case c.parent != "" && (s.parent != parse(t, c.parent).SpanID || s.self.TraceID != parse(t, c.parent).TraceID):
			t.Errorf("%s: it is %v, with the parent %x", name, s.self, s.parent)
		}
		if !s.self.Sampled() || s.self.SpanID == s.parent {
			t.Errorf("%s: it is %v", name, s.self)
		}
	}
}

// TestSourceEntersTraces proves that each event of a source is in a trace afterwards: that of its application, or a new one.
func TestSourceEntersTraces(t *testing.T) {
	for _, sample := range []float64{0, 1} {
		events := eventsOf("", "", "")
		s := newQueue(sample).Emitted("orders", events)
		if (s != nil) != (sample == 1) {
			t.Fatalf("sample %v: span %v", sample, s)
		}
		first := traceParent(t, events[0])
		for _, e := range events {
			if p := traceParent(t, e); p != first || p.Sampled() != (sample == 1) || s != nil && p != s.self {
				t.Errorf("sample %v: the event is at %v, the span at %v", sample, p, s)
			}
			if table, _ := e.Attr("table"); table != "orders" || len(e.Attrs) != 2 {
				t.Errorf("attributes %v", e.Attrs)
			}
		}
	}
	events := eventsOf(inA, notInC, "", inB)
	s := newQueue(0).Emitted("orders", events)
	if s == nil || len(s.links) != 2 {
		t.Fatalf("span %+v", s)
	}
	for i, want := range []event.TraceParent{parse(t, inA), parse(t, notInC), s.self, parse(t, inB)} {
		if got := traceParent(t, events[i]); got != want {
			t.Errorf("event %d is at %v, want %v", i, got, want)
		}
	}
}

// TestPass proves that the events behind a route are at its span, and that those before it do not change.
func TestPass(t *testing.T) {
	before := eventsOf(inA)
	s := newQueue(1).Routed("r", before)
	after := s.Pass(append(before, eventsOf(inB, "")...))
	for i, want := range []event.TraceParent{s.self, parse(t, inB), s.self} {
		if got := traceParent(t, after[i]); got != want {
			t.Errorf("event %d is at %v, want %v", i, got, want)
		}
	}
	if traceParent(t, before[0]) != parse(t, inA) {
		t.Error("an event that other components read has changed")
	}
	if next := newQueue(1).Writes("s", after[:1]); next.parent != s.self.SpanID || next.self.TraceID != s.self.TraceID {
		t.Errorf("the write is %+v behind the route %+v", next, s)
	}
}

// TestLinksAreBounded proves that a span has at most maxLinks links.
func TestLinksAreBounded(t *testing.T) {
	var events []*event.Event
	for range maxLinks + 10 {
		events = append(events, eventsOf(event.TraceParent{TraceID: newTraceID(), SpanID: newSpanID(), Flags: 1}.String())...)
	}
	if s := newQueue(1).Writes("s", events); len(s.links) != maxLinks || s.events != maxLinks+10 {
		t.Errorf("%d links", len(s.links))
	}
}

// TestSampleIsRespected proves that about the configured part of traces is recorded.
func TestSampleIsRespected(t *testing.T) {
	tracer, n := &Tracer{sample: 1 << 62, exporter: &exporter{}}, 0 // a quarter
	for range 10_000 {
		if tracer.Emitted("s", eventsOf("")) != nil {
			n++
		}
	}
	if n < 2000 || n > 3000 { // more than ten standard deviations
		t.Errorf("%d of 10,000", n)
	}
}

// TestOffCostsNothing proves that no hop allocates while tracing is off, or while no trace of a batch is recorded.
func TestOffCostsNothing(t *testing.T) {
	var off Switch
	notRecorded := &Switch{}
	notRecorded.Set(newQueue(0))
	events := eventsOf(notInC, notInC)
	for name, s := range map[string]*Switch{"off": &off, "no switch": nil, "not recorded": notRecorded} {
		if n := testing.AllocsPerRun(100, func() {
			s.Tracer().Emitted("s", events).End(OutcomeEmitted, nil)
			span := s.Tracer().Routed("r", events)
			span.Set("out", 1)
			if out := span.Pass(events); len(out) != 2 || &out[0] != &events[0] {
				t.Error("the events were copied")
			}
			span.End(OutcomeRouted, nil)
			s.Tracer().Writes("s", events).End(OutcomeDelivered, nil)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestErrorsWithoutQuotes proves that what an error quotes, such as a payload, is not in a span.
func TestErrorsWithoutQuotes(t *testing.T) {
	for text, want := range map[string]string{
		`POST https://shop.example answered 500: "{\"card\":\"4111\"}"`: `POST https://shop.example answered 500: ***`,
		"template `{{ order.secret }}`: no field 'secret' in \"x":       "template ***: no field *** in ***",
		"the plugin doesn't return, the events' order":                  "the plugin doesn't return, the events' order",
		"é":  "é",
		`""`: "***",
	} {
		if got := withoutQuotes(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
