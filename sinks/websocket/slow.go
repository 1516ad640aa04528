package websocket

import (
	"fmt"
	"maps"
	"slices"
)

// What becomes of a client that is too far behind.
const (
	slowDisconnect = "disconnect"
	slowDropOldest = "drop_oldest"
	slowConflate   = "conflate"
)

// handleSlowClients deals with clients that are too far behind, and returns how many messages the
// last of the others is. It is called per chunk of the log, so the bound is kept to within
// a chunk.
func (s *sink) handleSlowClients() uint64 {
	var most uint64
	for _, c := range s.listClients() {
		t, messages, bytes := c.lag()
		if messages <= uint64(s.opts.MaxLag.Events) && bytes <= s.hub.maxLagBytes(t) {
			most = max(most, messages)
			continue
		}
		if s.opts.SlowClient == slowDisconnect {
			c.close(closeFrame(closeSlow, fmt.Sprintf("too slow: %d messages behind; connect again to go on with new ones", messages)), "slow", false)
			continue
		}
		s.metrics.skipped.Add(float64(s.hub.skipToEnd(c, s.opts.SlowClient == slowConflate)))
	}
	return most
}

// conflation is the last message of each key that a slow client has skipped, and what is sent
// behind them.
type conflation struct {
	byKey   map[string]conflatedFrame
	nextSeq int // the order of the next one
	bytes   int
	end     []byte
}

type conflatedFrame struct {
	frame []byte
	seq   int
}

// add notes a message, in the place of one that has the same key. It returns how many went.
func (k *conflation) add(key string, frame []byte) (skipped int) {
	if old, ok := k.byKey[key]; ok {
		k.bytes -= len(old.frame)
		skipped = 1
	}
	k.byKey[key] = conflatedFrame{frame, k.nextSeq}
	k.nextSeq++
	k.bytes += len(frame)
	return skipped
}

// keys returns the keys in the order in which their messages came.
func (k *conflation) keys() []string {
	return slices.SortedFunc(maps.Keys(k.byKey), func(a, b string) int { return k.byKey[a].seq - k.byKey[b].seq })
}

// trim has the oldest go beyond most bytes, but for the last. It returns how many went.
func (k *conflation) trim(most int) (skipped int) {
	if k.bytes <= most {
		return 0
	}
	for _, key := range k.keys() {
		if k.bytes <= most || len(k.byKey) == 1 {
			break
		}
		k.bytes -= len(k.byKey[key].frame)
		delete(k.byKey, key)
		skipped++
	}
	return skipped
}

func (k *conflation) frames() []byte {
	out := make([]byte, 0, k.bytes)
	for _, key := range k.keys() {
		out = append(out, k.byKey[key].frame...)
	}
	return out
}

// skipToEnd has a client go on with what comes next, and tells it; with conflate it gets the
// latest message of each key that it skips. While those are sent it has no place to come
// back to. It returns how many messages it does not get.
func (h *hub) skipToEnd(c *client, conflate bool) (skipped int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil {
		return 0
	}
	k := c.conflated
	if k == nil && conflate {
		k = &conflation{byKey: map[string]conflatedFrame{}}
	}
	t := c.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	skipped, unsent := h.countSkipped(c, k)
	if unsent == 0 { // what it is behind is being written already
		return 0
	}
	if k != nil {
		skipped += k.trim(int(h.opts.MaxLag.Bytes))
	}
	at := h.endLocked(t)
	c.position, c.sent, c.conflated = at.position, at.position.withoutChunk(), k
	if c.protocol {
		text := fmt.Sprintf(`{"type":"gap","reason":"too slow: %d messages were left out","conflated":%v}`, skipped, conflate)
		c.controls = append(c.controls, controlFrame([]byte(text))...)
		from := controlFrame(subscribedMessage(at))
		if k != nil {
			c.controls = append(c.controls, controlFrame(subscribedMessage(startPoint{epoch: "none"}))...)
			k.end = from
		} else {
			c.controls = append(c.controls, from...)
		}
	}
	c.wake()
	return skipped
}

// countSkipped walks over what a client has not been sent, and keeps the last frame of each key,
// where k is not nil. It returns how many the client does not get, and how many there are.
func (h *hub) countSkipped(c *client, k *conflation) (skipped, unsent int) {
	for p := c.position; ; {
		frames, next := p.unread()
		if frames == nil {
			return skipped, unsent
		}
		for index := p.messages; len(frames) > 0; index++ {
			_, _, size := frameAt(frames)
			offset, isPosition := index+1, false
			if c.topic != h.main {
				if index < c.topic.trimmed { // older than the topic's history
					offset = 0
				} else {
					m := c.topic.entries[index-c.topic.trimmed]
					offset, isPosition = m.offset, m.isPosition
				}
			}
			if !isPosition {
				unsent++
				if key, known := h.history.conflationKey(offset); k != nil && known {
					skipped += k.add(key, frames[:size:size])
				} else {
					skipped++
				}
			}
			frames = frames[size:]
		}
		p = next
	}
}
