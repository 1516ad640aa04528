package websocket

import (
	"eventgateway/gateway/event"
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
func (h *hub) match(x *evaluation, t *topic, p *storedEvent) match {
	now, old := t.inChannels(p)
	if x.refutes(t.filterParts, &p.Event) && (!t.protocol || x.oldRow(&p.Event) == nil) {
		return match{} // before the rights, which cost more to evaluate
	}
	if now && t.permit(x, &p.Event, sideNow, p.channelsNow()) {
		return match{kind: h.matchFilter(x, t, p, &p.Event, old)}
	}
	if !t.protocol || !old || now && !h.rightsByRow {
		return match{}
	}
	before := x.oldRow(&p.Event)
	if before == nil || !t.permit(x, before, sideOld, p.channelsBefore()) || h.matchFilter(&evaluation{Evaluator: x.Evaluator}, t, p, oldRowOnly(&p.Event), true) != matchEvent {
		return match{}
	}
	return match{kind: matchLeave, row: oldRowPayload(&p.Event, false)}
}

// matchFilter evaluates the filter of a topic for an event, or for the part of it that the client may see. Channels and rights
// show the event. old is true if its old row is in the channels as well. An event for which the filter fails does not match.
func (h *hub) matchFilter(x *evaluation, t *topic, p *storedEvent, e *event.Event, old bool) int {
	if t.filter.IsZero() {
		return matchEvent
	}
	ok, err := x.isTrue(t.filter, t.filterParts, sideNow, e)
	if ok {
		return matchEvent
	}
	if !t.protocol { // leave messages need the protocol
		if err != nil {
			h.metrics.filterErrors.Inc()
		}
		return matchNone
	}
	if before := x.oldRow(e); old && before != nil && (!h.rightsByRow || t.permit(x, before, sideOld, p.channelsBefore())) {
		if matched, err := x.isTrue(t.filter, t.filterParts, sideOld, before); matched && err == nil {
			return matchLeave
		}
	}
	if err != nil {
		h.metrics.filterErrors.Inc()
	}
	return matchNone
}
