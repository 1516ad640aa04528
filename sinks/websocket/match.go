package websocket

import (
	"slices"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// What an event is to a topic.
const (
	matchNone  = iota
	matchEvent // it is a message
	matchLeave // its row was in the topic, and is not any more
)

// match is what one of the events under way is to a topic.
type match struct {
	index int    // of the event
	kind  int    // absent, present or left
	row   []byte // of left: what is sent in the place of the payload; nil: the payload
}

// match says what an event is to a topic. Those who may see it get all of it; those who might
// see it only with the row as it was learn that the row has left, and get that row.
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

// leaveOf says that the row of an event, which those who have a topic might see as it was,
// has left. Clients that do not speak the protocol know of no message that says so.
func leaveOf(t *topic, p *storedEvent) match {
	if !t.protocol {
		return match{}
	}
	return match{kind: matchLeave, row: oldRowPayload(&p.Event, false)}
}

// matchFilter says what an event of one of the topic's channels is to the topic, whose clients may see
// it. was is its key with the row as it was. An event for which the filter cannot be evaluated is absent.
func (h *hub) matchFilter(x *expr.Evaluator, t *topic, e *event.Event, was string) int {
	if t.filter.IsZero() {
		return matchEvent
	}
	ok, err := x.True(t.filter, e)
	if ok {
		return matchEvent
	}
	if !t.protocol { // it knows of no message that says so
		if err != nil {
			h.metrics.filterErrors.Inc()
		}
		return matchNone
	}
	if before := withOldRow(e); before != nil && (!h.rightsByRow || h.permits(x, t, before, was)) {
		if was, err := x.True(t.filter, before); was && err == nil {
			return matchLeave
		}
	}
	if err != nil {
		h.metrics.filterErrors.Inc()
	}
	return matchNone
}
