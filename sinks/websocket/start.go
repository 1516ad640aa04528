package websocket

import "strings"

// start is where a client begins in its topic.
type start struct {
	position     position
	epoch        string
	offset, seen uint64 // as the client knows it
	recovered    bool   // it gets all that it has missed
	lost         bool   // it does not
}

// start finds out where a client begins that has a.
func (h *hub) start(t *topic, a after) start {
	if !a.asked {
		return h.end(t)
	}
	at, number, ok := h.find(t, a)
	if !ok || h.gapped && number <= h.gapAt {
		at = h.end(t)
		at.lost = true
		return at
	}
	at.recovered = true
	return at
}

// end is where what comes next begins.
func (h *hub) end(t *topic) start {
	t.mu.Lock()
	defer t.mu.Unlock()
	return h.endOf(t)
}

// endOf is end under the topic's lock.
func (h *hub) endOf(t *topic) start {
	at := start{position: t.log.start(), epoch: h.epochOf(t), offset: h.main.log.messages.Load()}
	if t.fed {
		at.offset = t.done
	}
	return at
}

// wanted returns the number of the message behind which a client wants to begin.
func (h *hub) wanted(a after) uint64 {
	if a.place != "" {
		return h.history.places[a.place]
	}
	return min(a.offset, h.main.log.messages.Load())
}

// epochOf is the epoch as clients of a topic know it: what they have seen beside their
// offset is messages of this topic, and no other.
func (h *hub) epochOf(t *topic) string {
	if t == h.main {
		return h.epoch
	}
	return h.epoch + "." + t.hash
}

// find looks for the position behind what a client has, and the number of the last message
// that it has.
func (h *hub) find(t *topic, a after) (at start, number uint64, ok bool) {
	total := h.main.log.messages.Load()
	at = start{epoch: h.epochOf(t), offset: a.offset, seen: a.seen}
	if a.place != "" {
		if at.offset, ok = h.history.places[a.place]; !ok {
			return at, 0, false
		}
		at.seen = 0
	} else {
		epoch, _, _ := strings.Cut(a.epoch, ".")
		if epoch != h.epoch || a.epoch != at.epoch && a.seen > 0 || a.offset > total || a.seen > total {
			return at, 0, false
		}
	}
	if t != h.main {
		if t.fed {
			t.evict(h.opts.History, h.most(t), h.now())
		}
		at.position, number, ok = t.find(at.offset, at.seen)
		return at, number, ok
	}
	at.offset, at.seen = at.offset+at.seen, 0
	if at.offset < h.history.first-1 || at.offset > total {
		return at, 0, false
	}
	at.position = h.main.log.seek(at.offset)
	return at, at.offset, true
}

// sent returns the number up to which a client of a topic was sent everything.
func (h *hub) sent(t *topic, p position) uint64 {
	if t == h.main {
		return p.messages
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := int(p.messages - min(t.from, p.messages))
	switch {
	case i >= len(t.numbers) && t.fed: // and of what came since nothing is for it
		return t.done
	case i >= len(t.numbers):
		return h.main.log.messages.Load()
	case i == 0:
		return t.covered
	}
	return t.numbers[i-1].number
}
