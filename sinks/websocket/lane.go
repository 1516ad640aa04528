package websocket

import "slices"

// lane is topics that one feeder feeds. There are two: one for what the configuration says
// that clients may see, and one for what clients ask for, so that the first never waits for
// the second.
type lane struct {
	byAddress bool          // an address has one turn in each round, and not each of its topics
	topics    []*topic      // under the hub's lock, those of one address side by side
	running   bool          // the feeder runs; under the hub's lock
	woken     chan struct{} // capacity 1: there may be something to feed
}

func newLane(byAddress bool) *lane { return &lane{byAddress: byAddress, woken: make(chan struct{}, 1)} }

// laneOf returns the lane of a topic that is fed.
func (h *hub) laneOf(t *topic) *lane {
	if t.asked() {
		return h.filters
	}
	return h.views
}

// lanes returns both.
func (h *hub) lanes() [2]*lane { return [2]*lane{h.views, h.filters} }

// add puts a topic behind those of its address.
func (l *lane) add(t *topic) {
	at := len(l.topics)
	for i := range l.topics {
		if l.byAddress && l.topics[i].maker == t.maker {
			at = i + 1
		}
	}
	l.topics = slices.Insert(l.topics, at, t)
}

func (l *lane) remove(t *topic) {
	l.topics = slices.DeleteFunc(l.topics, func(o *topic) bool { return o == t })
}

// wake has the feeder look for something to feed.
func (l *lane) wake() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// round gives each address of topics one turn, or each topic where the lane does not go by
// address. It reports whether there was something to do.
func (f *feeder) round(topics []*topic) (busy bool) {
	f.rounds++
	for len(topics) > 0 {
		n := 1
		for f.lane.byAddress && n < len(topics) && topics[n].maker == topics[0].maker {
			n++
		}
		busy = f.turn(topics[:n]) || busy
		topics = topics[n:]
	}
	return busy
}

// turn feeds the first of some topics that has something to do; each round begins with
// another one. It reports whether one had.
func (f *feeder) turn(topics []*topic) bool {
	for i := range topics {
		t := topics[(f.rounds+i)%len(topics)]
		more, why := f.feed(t)
		if why != nil {
			f.hub.finish(t, why)
		}
		if more || why != nil {
			return true
		}
	}
	return false
}
