package tracing

import (
	"strings"
	"time"

	"eventgateway/gateway/event"
)

// The outcomes of a batch.
const (
	OutcomeEmitted    = "emitted"     // by a source: its routes have it
	OutcomeNacked     = "nacked"      // the source brings it again
	OutcomeRouted     = "routed"      // by a route: the queues of its sinks have what became of it
	OutcomeFailed     = "failed"      // a transform has failed on at least one event
	OutcomeDelivered  = "delivered"   // by a sink: all events
	OutcomeRetry      = "retry"       // at least one event is written again
	OutcomeDeadLetter = "dead_letter" // at least one event cannot be delivered
	OutcomeCanceled   = "canceled"    // the write was cut short by a stop or a reload
)

// Span is what a component does with one batch. A nil *Span is not recorded: its methods do nothing.
type Span struct {
	tracer *Tracer
	hop    hop
	name   string // of the component
	self   event.TraceParent
	parent [8]byte // zero: the span begins its trace
	links  []event.TraceParent
	events int // of the batch
	begin  time.Time

	end     time.Time
	outcome string
	failure string // "": none
	numbers []number
}

// number is an attribute of a span.
type number struct {
	name  string
	value int
}

// TraceParent returns the header traceparent for a request that belongs to the span; "" for a nil span.
func (s *Span) TraceParent() string {
	if s == nil {
		return ""
	}
	return s.self.String()
}

// Pass returns the events with this span as their place in the trace. Events of other traces keep their place. The
// slice is a copy, and so are the events that change.
func (s *Span) Pass(events []*event.Event) []*event.Event {
	if s == nil {
		return events
	}
	return s.pass(events)
}

func (s *Span) pass(events []*event.Event) []*event.Event {
	text, out := s.self.String(), make([]*event.Event, len(events))
	for i, e := range events {
		if out[i] = e; belongs(e, s.self) {
			passed := *e
			passed.Attrs = withTraceParent(e.Attrs, text)
			out[i] = &passed
		}
	}
	return out
}

// Set adds a number to the span, such as that of failed events.
func (s *Span) Set(name string, value int) {
	if s != nil {
		s.numbers = append(s.numbers, number{"gateway." + name, value})
	}
}

// End ends the span, and puts it into the queue of the exporter. err, which may be nil, must have no secrets. Nothing may
// be called afterwards.
func (s *Span) End(outcome string, err error) {
	if s != nil {
		s.finish(outcome, err)
	}
}

func (s *Span) finish(outcome string, err error) {
	s.end, s.outcome = time.Now(), outcome
	if err != nil {
		s.failure = withoutQuotes(err.Error())
	}
	s.tracer.exporter.put(s)
}

// maxFailure bounds the text of an error in a span, in bytes.
const maxFailure = 300

// withoutQuotes returns the text of an error without its quoted parts. These may come from a payload or from a receiver,
// and more people may see spans than the log.
func withoutQuotes(text string) string {
	var b strings.Builder
	for i := 0; i < len(text) && b.Len() < maxFailure; i++ {
		c := text[i]
		if c != '"' && c != '`' && !(c == '\'' && (i == 0 || !isLetter(text[i-1]))) {
			b.WriteByte(c)
			continue
		}
		b.WriteString("***")
		for i++; i < len(text) && text[i] != c; i++ {
			if text[i] == '\\' && c == '"' {
				i++
			}
		}
	}
	return strings.ToValidUTF8(b.String(), "")
}

// isLetter reports whether c is a letter, behind which ' is an apostrophe.
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
