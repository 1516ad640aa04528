// Package event defines what travels through the gateway: an [Event], and the [Batch] in which a
// source emits events.
//
// Invariants:
//   - An event is plain data. Once it was emitted it is read-only, and so are
//     the bytes it points to: several sinks read them at the same time.
//   - A transform that changes the payload makes a copy, by [Event.WithData].
package event

import (
	"slices"
	"time"
	"unsafe"

	"eventgateway/gateway/internal/settle"
)

// Event is one message on its way from a source to its sinks.
type Event struct {
	// ID is stable across retries, restarts and replicas; "" if the source
	// provides none.
	ID string
	// Source is the configured name of the source. The router sets it where it is "".
	Source string
	// Channel is where the source read it: a PostgreSQL or Redis channel, a
	// table, a stream.
	Channel string
	// Key is the ordering key; all events with the key "" share one lane. The
	// router sets it where the source is configured with a key.
	Key string
	// Time is when the source received the event. The router sets it where it is zero.
	Time time.Time
	// Origin is when the event was written where it came from, by the clock there, such as the commit of a row; zero if that is
	// not known. The router sets it where the source is configured with origin_time.
	Origin time.Time
	// Data is the payload. The router never parses or changes it by itself.
	Data []byte
	// Attrs holds named values beside the payload. There are few, so a list is faster than a map.
	Attrs []Attr
	// Position is the place of the event in the history of its source, for a source that is a
	// plugin.HistorySource; zero for others. A copy of the event keeps it.
	Position Position
	// Attempts holds the failed attempts that the source has stored, from before a restart; nil
	// if there were none, or if the source does not store them.
	Attempts *Attempts
	// Fence is the leadership under which the event was captured; nil if its
	// source has none.
	Fence *Fence
}

// Attempts records the failed attempts to deliver an event. A source that stores them gets them from
// an inflight.MessageTracker.
type Attempts struct {
	Failed int       // number of failed attempts
	Last   time.Time // of the latest one
}

// Fence identifies the leader that captured an event, so that a receiver can refuse events of former
// leaders. The receiver stores the highest Term that it has seen of each Leader, and refuses lower ones.
type Fence struct {
	Leader string // the name of the leadership
	Term   int64  // rises with every new leader
}

// Attr is a named value beside the payload of an event.
type Attr struct{ Name, Value string }

// Names of attributes that decide about the order of an event, beside its key.
const (
	// AttrTable is the table of the event's row: the scope of a barrier.
	AttrTable = "table"
	// AttrKeyBefore is the key that the event's row had before the change. The event is ordered among
	// the events of that key, too.
	AttrKeyBefore = "key_before"
	// AttrBarrier is a table, as in [AttrTable]. The event is ordered among all events of that table.
	AttrBarrier = "barrier"
)

// SpansKeys reports whether the event is ordered among events of other keys than its own: it has the
// attribute [AttrKeyBefore] or [AttrBarrier].
func (e *Event) SpansKeys() bool {
	for i := range e.Attrs {
		switch e.Attrs[i].Name {
		case AttrKeyBefore, AttrBarrier:
			return true
		}
	}
	return false
}

// Attr returns the value of the named attribute, and reports whether there is one.
func (e *Event) Attr(name string) (string, bool) {
	for i := range e.Attrs {
		if e.Attrs[i].Name == name {
			return e.Attrs[i].Value, true
		}
	}
	return "", false
}

// WithData returns a copy of e with data as its payload.
func (e *Event) WithData(data []byte) *Event {
	c := *e
	c.Data = data
	c.Attrs = slices.Clip(e.Attrs) // so that copies do not share the space behind the attributes
	return &c
}

// StringData returns the bytes of text as the payload of an event, without a copy: nothing may change them.
func StringData(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

// Batch is what a source emits at once. The source must not change the events after Emit. If the batch
// has an Ack, the source must not change the slice before the batch is settled; else it may reuse the
// slice as soon as Emit returns.
type Batch struct {
	Events []*Event
	// Ack is settled exactly once, when all events are settled. It is acked if every required sink has
	// them, else nacked with an error. That may happen in any goroutine, in any order, before Emit
	// returns or after Run has returned. Package inflight makes the Ack and records the result, and the
	// source reads it there: no code of the source runs in the goroutine that settles. Tests settle it
	// by its method Settle. Ack is nil if the source cannot replay these events.
	Ack *settle.Ack
	// DeadLetter is set if the source knows that these events must not be delivered, such as
	// one that has crashed gateways. Each route parks them as dead letters with this reason.
	DeadLetter error
}
