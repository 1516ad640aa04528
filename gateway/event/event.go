// Package event defines what travels through the gateway: an Event, and the
// Batch in which a source hands events over.
//
// Invariants:
//   - An event is plain data. Once it was emitted it is read-only, and so are
//     the bytes it points to: several sinks read them at the same time.
//   - Whoever wants another payload makes another event, by [Event.With].
package event

import (
	"slices"
	"time"

	"eventgateway/gateway/internal/settle"
)

// Event is one message on its way from a source to its sinks.
type Event struct {
	// ID is stable across retries, restarts and replicas; "" where the source
	// has none to give.
	ID string
	// Source is the configured name of the source. The router sets it where it is "".
	Source string
	// Channel is where the source got it: a PostgreSQL or Redis channel, a
	// table, a stream.
	Channel string
	// Key is the ordering key; "" puts the event in the one lane for all. The
	// router sets it where the source is configured with a key.
	Key string
	// Time is when the source received the event. The router sets it where it is zero.
	Time time.Time
	// Data is the payload as it arrived. It passes through untouched where
	// nobody looks inside.
	Data []byte
	// Attrs holds what else the source knows: few, so a list beats a map.
	Attrs []Attr
	// Attempts is what its source remembers of attempts to deliver it that have failed; nil
	// where there was none, or the source does not remember.
	Attempts *Attempts
	// Fence is the leadership under which the event was captured; nil where its
	// source needs none.
	Fence *Fence
}

// Attempts says how far the delivery of an event had got. A source that remembers it takes it from
// an inflight.MessageTracker.
type Attempts struct {
	Failed int       // that have failed
	Last   time.Time // when the last of them did
}

// Fence numbers the leaders that capture one after the other, so that a
// receiver can refuse what a former one still sends: it keeps the highest Term
// that it has seen of each Leader, and refuses lower ones.
type Fence struct {
	Leader string // the name of the leadership
	Term   int64  // rises with every new leader
}

// Attr is a named piece of knowledge about an event beside its payload.
type Attr struct{ Name, Value string }

// Names of attributes that say where an event stands among others. Where events are ordered by
// key, an event waits for the earlier ones that it keeps its place among, and the later ones wait
// for it.
const (
	// AttrTable is the table that the event is about: the scope of a barrier.
	AttrTable = "table"
	// AttrKeyBefore is the key that the event's row had before. The event keeps its place among the
	// events of that key, too.
	AttrKeyBefore = "key_before"
	// AttrBarrier is a table, as in Table. The event keeps its place among all events of that table.
	AttrBarrier = "barrier"
)

// SpansKeys reports whether the event keeps its place among events of other keys than its own:
// it has the attribute KeyBefore or Barrier.
func (e *Event) SpansKeys() bool {
	for i := range e.Attrs {
		switch e.Attrs[i].Name {
		case AttrKeyBefore, AttrBarrier:
			return true
		}
	}
	return false
}

// Attr returns the value of the named attribute, and whether there is one.
func (e *Event) Attr(name string) (string, bool) {
	for i := range e.Attrs {
		if e.Attrs[i].Name == name {
			return e.Attrs[i].Value, true
		}
	}
	return "", false
}

// WithData returns a copy of e that carries data instead of e's payload.
func (e *Event) WithData(data []byte) *Event {
	c := *e
	c.Data = data
	c.Attrs = slices.Clip(e.Attrs) // what is appended to one copy does not show in another
	return &c
}

// Batch is what a source emits at once. The events belong to the router from Emit on. So does the slice
// of a batch with an Ack, until the batch is settled; that of a batch without one is the
// source's again as soon as Emit returns.
type Batch struct {
	Events []*Event
	// Ack is settled exactly once, when all events are settled: with nil where every
	// required sink has them, with an error where any has not. That may be in any goroutine, in
	// any order, before Emit returns or after Run has returned. Package inflight makes it and keeps
	// what was settled, and the source takes it from there in a goroutine of its own: no code of the source
	// runs in the goroutine that settles. Tests settle it by its method Settle. Ack is nil where no source can
	// replay these events.
	Ack *settle.Ack
	// DeadLetter is set where the source knows that these events must not be delivered, as
	// one that gateways die of: each route parks them as dead letters, with this reason.
	DeadLetter error
}
