package websocket

import (
	"time"

	"eventgateway/gateway/event"
)

// history is the events of the main log's history: what a new topic is made of. Event i
// has the number first+i; numbers count the messages of the main log from 1.
type history struct {
	first  uint64
	events []past
	places map[string]uint64 // number by position, where the configuration names a field for it
}

// past is one event: its payload stands in the log.
type past struct {
	event.Event
	at    time.Time
	place string
}

func newHistory(named bool) history {
	h := history{first: 1}
	if named {
		h.places = map[string]uint64{}
	}
	return h
}

// add notes the next event. stored is its payload as the log has it.
func (h *history) add(e *event.Event, stored []byte, place string, now time.Time) {
	p := past{Event: *e, at: now, place: place}
	p.Data = stored
	h.events = append(h.events, p)
	if place != "" {
		h.places[place] = h.first + uint64(len(h.events)) - 1
	}
}

// forget drops the events up to a number.
func (h *history) forget(upTo uint64) {
	n := min(int(upTo+1-min(h.first, upTo+1)), len(h.events))
	for i := range h.events[:n] {
		if place := h.events[i].place; place != "" && h.places[place] == h.first+uint64(i) {
			delete(h.places, place)
		}
	}
	clear(h.events[:n])
	h.events = h.events[n:]
	h.first += uint64(n)
}

// behind calls f for the events behind a number, in order.
func (h *history) behind(number uint64, f func(number uint64, e *past)) {
	for i := range h.events {
		if at := h.first + uint64(i); at > number {
			f(at, &h.events[i])
		}
	}
}

// key returns the key of the message with a number, and false where it is too old to tell.
func (h *history) key(number uint64) (string, bool) {
	if number < h.first || number-h.first >= uint64(len(h.events)) {
		return "", false
	}
	return h.events[number-h.first].Key, true
}
