package websocket

import "strings"

// startPoint is the point at which a client begins in its topic.
type startPoint struct {
	position     position
	epoch        string
	offset, seen uint64 // as sent to the client
	recovered    bool   // the client resumes, and gets every message that it missed
	gap          bool   // the client resumes, and messages may be missing
}

// startFrom returns the point at which a client begins that resumes from a point.
func (h *hub) startFrom(t *topic, from resumePoint) startPoint {
	if !from.given {
		return h.startAtEnd(t)
	}
	at, offset, ok := h.locate(t, from)
	if !ok || h.hasGap && offset <= h.gapOffset {
		at = h.startAtEnd(t)
		at.gap = true
		return at
	}
	at.recovered = true
	return at
}

// startAtEnd returns the end of a topic.
func (h *hub) startAtEnd(t *topic) startPoint {
	t.mu.Lock()
	defer t.mu.Unlock()
	return h.startAtEndLocked(t)
}

// startAtEndLocked is startAtEnd with t.mu held.
func (h *hub) startAtEndLocked(t *topic) startPoint {
	at := startPoint{position: t.log.endPosition(), epoch: h.epochOf(t), offset: h.main.log.messages.Load()}
	if t.fed {
		at.offset = t.upTo
	}
	return at
}

// resumeOffset returns the offset up to which a topic needs its messages before a client can
// resume from a point.
func (h *hub) resumeOffset(from resumePoint) uint64 {
	if from.named != "" {
		return h.history.namedPositions[from.named]
	}
	return min(from.offset, h.main.log.messages.Load())
}

// epochOf returns the epoch that clients of a topic get. It names the topic, because seen counts
// messages of this topic.
func (h *hub) epochOf(t *topic) string {
	if t == h.main {
		return h.epoch
	}
	return h.epoch + "." + t.hash
}

// locate returns the point from which a client resumes, and the offset of the last message that it
// has. It reports false if the history does not hold the messages behind it, or the epoch is of
// another gateway or subscription.
func (h *hub) locate(t *topic, from resumePoint) (at startPoint, offset uint64, ok bool) {
	total := h.main.log.messages.Load()
	at = startPoint{epoch: h.epochOf(t), offset: from.offset, seen: from.seen}
	if from.named != "" {
		if at.offset, ok = h.history.namedPositions[from.named]; !ok {
			return at, 0, false
		}
		at.seen = 0
	} else {
		epoch, _, _ := strings.Cut(from.epoch, ".")
		if epoch != h.epoch || from.epoch != at.epoch && from.seen > 0 || from.offset > total || from.seen > total {
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

// sentOffset returns the offset up to which a client at a position of a topic was sent every message.
func (h *hub) sentOffset(t *topic, p position) uint64 {
	if t == h.main {
		return p.messages
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := int(p.messages - min(t.trimmed, p.messages))
	switch {
	case i >= len(t.entries) && t.fed: // no message between its last entry and upTo is in the topic
		return t.upTo
	case i >= len(t.entries):
		return h.main.log.messages.Load()
	case i == 0:
		return t.startOffset
	}
	return t.entries[i-1].offset
}
