package websocket

import (
	"slices"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// What an event is to a topic.
const (
	absent  = iota
	present // it is a message
	left    // its row was in the topic, and is not any more
)

// verdict is what one of the events under way is to a topic.
type verdict struct {
	index int    // of the event
	is    int    // absent, present or left
	row   []byte // of left: what is sent in the place of the payload; nil: the payload
}

// look says what an event is to a topic. Those who may see it get all of it; those who might
// see it only with the row as it was learn that the row has left, and get that row.
func (h *hub) look(x *expr.Evaluator, t *topic, p *past) verdict {
	if len(t.channels) > 0 {
		if _, found := slices.BinarySearch(t.channels, p.Channel); !found {
			return verdict{}
		}
	}
	if h.may(x, t, &p.Event, p.key) {
		return verdict{is: h.judge(x, t, &p.Event, p.was)}
	}
	if !h.rows || !t.protocol {
		return verdict{}
	}
	former := beforeChange(&p.Event)
	if former == nil || !h.may(x, t, former, p.was) || h.judge(x, t, onlyRow(&p.Event), p.was) != present {
		return verdict{}
	}
	return lostRow(t, p)
}

// lostRow says that the row of an event, which those who have a topic might see as it was,
// has left. Clients that do not speak the protocol know of no message that says so.
func lostRow(t *topic, p *past) verdict {
	if !t.protocol {
		return verdict{}
	}
	return verdict{is: left, row: rowPayload(&p.Event, false)}
}

// judge says what an event of one of the topic's channels is to the topic, whose clients may see
// it. was is its key with the row as it was. An event for which the filter cannot be evaluated is absent.
func (h *hub) judge(x *expr.Evaluator, t *topic, e *event.Event, was string) int {
	if t.filter.IsZero() {
		return present
	}
	ok, err := x.True(t.filter, e)
	if ok {
		return present
	}
	if !t.protocol { // it knows of no message that says so
		if err != nil {
			h.metrics.filterErrors.Inc()
		}
		return absent
	}
	if before := beforeChange(e); before != nil && (!h.rows || h.may(x, t, before, was)) {
		if was, err := x.True(t.filter, before); was && err == nil {
			return left
		}
	}
	if err != nil {
		h.metrics.filterErrors.Inc()
	}
	return absent
}
