package websocket

import (
	"slices"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// Kinds of a [match].
const (
	matchNone  = iota
	matchEvent // the topic gets the event
	matchLeave // the topic gets a leave message: its row was in the topic, and no longer is
)

// match is what a topic gets of an event.
type match struct {
	index int    // of the event
	kind  int    // matchNone, matchEvent or matchLeave
	row   []byte // the payload of a leave message; nil: that of the event
}

// match decides what a topic gets of an event. Rights that show the event show all of it. Rights
// that show it with its old row only get a leave message with that row.
func (h *hub) match(x *expr.Evaluator, t *topic, p *storedEvent) match {
	if len(t.channels) > 0 {
		if _, found := slices.BinarySearch(t.channels, p.Channel); !found {
			return match{}
		}
	}
	if h.permits(x, t, &p.Event, p.rightsKey) {
		return match{kind: h.matchFilter(x, t, &p.Event, p.oldRightsKey)}
	}
	if !h.rightsByRow || !t.protocol {
		return match{}
	}
	before := withOldRow(&p.Event)
	if before == nil || !h.permits(x, t, before, p.oldRightsKey) || h.matchFilter(x, t, oldRowOnly(&p.Event), p.oldRightsKey) != matchEvent {
		return match{}
	}
	return leaveOf(t, p)
}

// leaveOf returns a leave message with the old row of an event, which the rights of the topic show.
// Clients that do not speak the protocol get no leave messages.
func leaveOf(t *topic, p *storedEvent) match {
	if !t.protocol {
		return match{}
	}
	return match{kind: matchLeave, row: oldRowPayload(&p.Event, false)}
}

// matchFilter evaluates the filter of a topic for an event that its channels and rights show. oldKey is
// the key of the rights that show the old row. An event for which the filter fails does not match.
func (h *hub) matchFilter(x *expr.Evaluator, t *topic, e *event.Event, oldKey string) int {
	if t.filter.IsZero() {
		return matchEvent
	}
	ok, err := x.True(t.filter, e)
	if ok {
		return matchEvent
	}
	if !t.protocol { // leave messages need the protocol
		if err != nil {
			h.metrics.filterErrors.Inc()
		}
		return matchNone
	}
	if before := withOldRow(e); before != nil && (!h.rightsByRow || h.permits(x, t, before, oldKey)) {
		if matched, err := x.True(t.filter, before); matched && err == nil {
			return matchLeave
		}
	}
	if err != nil {
		h.metrics.filterErrors.Inc()
	}
	return matchNone
}
