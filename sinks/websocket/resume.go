package websocket

import "strings"

// startPoint is where a client begins in its topic.
type startPoint struct {
	position     position
	epoch        string
	offset, seen uint64 // as the client knows it
	recovered    bool   // it gets all that it has missed
	gap          bool   // it does not
}

// resume finds out where a client begins that has a.
func (h *hub) resume(t *topic, a resumePoint) startPoint {
	if !a.given {
		return h.end(t)
	}
	at, offset, ok := h.locate(t, a)
	if !ok || h.hasGap && offset <= h.gapOffset {
		at = h.end(t)
		at.gap = true
		return at
	}
	at.recovered = true
	return at
}

// end is where what comes next begins.
func (h *hub) end(t *topic) startPoint {
	t.mu.Lock()
	defer t.mu.Unlock()
	return h.endLocked(t)
}

// endLocked is end under the topic's lock.
func (h *hub) endLocked(t *topic) startPoint {
	at := startPoint{position: t.log.endPosition(), epoch: h.epochOf(t), offset: h.main.log.messages.Load()}
	if t.fed {
		at.offset = t.upTo
	}
	return at
}

// resumeOffset returns the number of the message behind which a client wants to begin.
func (h *hub) resumeOffset(a resumePoint) uint64 {
	if a.named != "" {
		return h.history.namedPositions[a.named]
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

// locate looks for the position behind what a client has, and the number of the last message
// that it has.
func (h *hub) locate(t *topic, a resumePoint) (at startPoint, offset uint64, ok bool) {
	total := h.main.log.messages.Load()
	at = startPoint{epoch: h.epochOf(t), offset: a.offset, seen: a.seen}
	if a.named != "" {
		if at.offset, ok = h.history.namedPositions[a.named]; !ok {
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
			t.trim(h.opts.History, h.maxTopicBytes(t), h.now())
		}
		at.position, offset, ok = t.locate(at.offset, at.seen)
		return at, offset, ok
	}
	at.offset, at.seen = at.offset+at.seen, 0
	if at.offset < h.history.first-1 || at.offset > total {
		return at, 0, false
	}
	at.position = h.main.log.seek(at.offset)
	return at, at.offset, true
}

// sentOffset returns the number up to which a client of a topic was sent everything.
func (h *hub) sentOffset(t *topic, p position) uint64 {
	if t == h.main {
		return p.messages
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := int(p.messages - min(t.trimmed, p.messages))
	switch {
	case i >= len(t.entries) && t.fed: // and of what came since nothing is for it
		return t.upTo
	case i >= len(t.entries):
		return h.main.log.messages.Load()
	case i == 0:
		return t.startOffset
	}
	return t.entries[i-1].offset
}
