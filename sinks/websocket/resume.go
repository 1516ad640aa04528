package websocket

import "strings"

// startPoint is the point at which a client begins in its topic.
type startPoint struct {
	position     position
	epoch        string
	offset, seen uint64 // as sent to the client
	recovered    bool   // the client resumes, and gets every message that it missed
	gap          bool   // the client resumes, and messages may be missing
	ahead        bool   // perhaps only because this gateway has not read them yet
	name         string // in place of offset; see [hub.nameOf]
}

// start returns the point at which a client begins in a topic that has its messages.
func (h *hub) start(j *joining) startPoint {
	h.mu.Lock()
	hasGap, gapOffset := h.hasGap && !j.from.continues && !h.issuedSinceGap(j.from), h.gapOffset
	h.mu.Unlock()
	t := j.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if j.resumes {
		p, has, ok := t.own.locate(j.offset, j.seen)
		switch {
		case ok && j.from.last > 0:
			return startPoint{position: p, epoch: h.epochOf(t), offset: j.offset, gap: hasGap && has < gapOffset}
		case ok && !(hasGap && has <= gapOffset):
			return startPoint{position: p, epoch: h.epochOf(t), offset: j.offset, seen: j.seen, recovered: true}
		}
	}
	at := t.startAtEnd(h)
	at.gap, at.ahead = j.from.given, j.from.given && j.resumes && !hasGap
	return at
}

// startAtEnd returns the end of a topic. It needs the hub's lock and t.mu.
func (h *hub) startAtEnd(t *topic) startPoint {
	if t == h.main {
		return h.startAtEndOfMain()
	}
	return t.startAtEnd(h)
}

// startAtEnd returns the end of the topic. It needs t.mu.
func (t *topic) startAtEnd(h *hub) startPoint {
	return startPoint{position: t.log.endPosition(), epoch: h.epochOf(t), offset: t.completeTo()}
}

// startMain returns the point at which a client begins in the main topic. It needs the hub's lock.
func (h *hub) startMain(from resumePoint) startPoint {
	if from.last > 0 {
		has := h.lastOffset(from.last)
		return startPoint{position: h.main.log.seek(has), epoch: h.epoch, offset: has, gap: h.hasGap && has < h.gapOffset}
	}
	if !from.given {
		return h.startAtEndOfMain()
	}
	offset, seen, ok := h.resumeOffset(h.epoch, from)
	has := offset + seen
	if !ok || has > h.main.log.messages.Load() || !from.continues && h.hasGap && has <= h.gapOffset && !h.issuedSinceGap(from) {
		at := h.startAtEndOfMain()
		at.gap = true
		return at
	}
	return startPoint{position: h.main.log.seek(has), epoch: h.epoch, offset: has, recovered: true}
}

func (h *hub) startAtEndOfMain() startPoint {
	return startPoint{position: h.main.log.endPosition(), epoch: h.epoch, offset: h.main.log.messages.Load()}
}

// lastOffset returns the offset before the latest n events, or before all events of the history if it has fewer. It needs the hub's lock.
func (h *hub) lastOffset(n uint64) uint64 {
	total, first := h.main.log.messages.Load(), h.history.first-1
	return total - min(n, total-first)
}

// resumeOffset returns the offset up to which a client has every message, and the number of messages of its topic that
// it has behind it. It reports false if the history does not hold the messages behind the offset, or if the client
// names an epoch of another gateway or subscription. It needs the hub's lock.
func (h *hub) resumeOffset(epoch string, from resumePoint) (offset, seen uint64, ok bool) {
	total := h.main.log.messages.Load()
	switch {
	case from.continues:
		offset = from.offset
	case from.named != "":
		if offset, ok = h.history.namedPositions[from.named]; !ok {
			return 0, 0, false
		}
	default:
		if !h.isEpoch(from.epoch) || from.epoch != epoch && from.seen > 0 || from.seen > total && !h.stream.used {
			return 0, 0, false
		}
		if offset, ok = h.offsetOf(from); !ok {
			return 0, 0, false
		}
		seen = from.seen
	}
	begin := offset
	if epoch == h.epoch { // in the main topic seen counts offsets
		begin += seen
	}
	return offset, seen, begin+1 >= h.history.first && offset <= total
}

// isEpoch reports whether an epoch of a client is one of this hub, of any topic.
func (h *hub) isEpoch(epoch string) bool {
	of, _, _ := strings.Cut(epoch, ".")
	return of == h.epoch
}

// epochOf returns the epoch that clients of a topic get. It names the topic, because seen counts
// messages of this topic.
func (h *hub) epochOf(t *topic) string {
	if t == h.main {
		return h.epoch
	}
	return h.epoch + "." + t.hash
}

// sentOffset returns the offset up to which a client at a position of a topic was sent every message.
func (h *hub) sentOffset(t *topic, p position) uint64 {
	if t == h.main {
		return p.messages
	}
	return t.sentOffset(p)
}
