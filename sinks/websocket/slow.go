package websocket

import (
	"fmt"
	"maps"
	"slices"
)

// Values of the option slow_client.
const (
	slowDisconnect = "disconnect"
	slowDropOldest = "drop_oldest"
	slowConflate   = "conflate"
)

// handleSlowClients evicts clients whose lag exceeds the bounds, or moves them to the end of their
// topic. It returns the greatest lag of the others, in messages. It is called once per chunk of
// the log, so a client may exceed its bound by a chunk.
func (s *sink) handleSlowClients() uint64 {
	var greatestLag uint64
	for _, c := range s.listClients() {
		t, messages, bytes := c.lag()
		if messages <= uint64(s.opts.MaxLag.Events) && bytes <= s.hub.maxLagBytes(t) {
			greatestLag = max(greatestLag, messages)
			continue
		}
		if s.opts.SlowClient == slowDisconnect {
			c.close(closeFrame(closeSlow, fmt.Sprintf("too slow: a lag of %d messages; connect again to get new ones", messages)), "slow", false)
			continue
		}
		s.metrics.skipped.Add(float64(s.hub.skipToEnd(c, s.opts.SlowClient == slowConflate)))
	}
	return greatestLag
}

// conflation holds the latest message of each key that a slow client has skipped.
type conflation struct {
	byKey   map[string]conflatedFrame
	nextSeq int    // seq of the next frame
	bytes   int    // of all frames
	end     []byte // control frame that is sent behind the frames
}

type conflatedFrame struct {
	frame []byte
	seq   int
}

// add stores a message. It replaces an older one of its key, and returns how many it replaced.
func (c *conflation) add(key string, frame []byte) (skipped int) {
	if old, ok := c.byKey[key]; ok {
		c.bytes -= len(old.frame)
		skipped = 1
	}
	c.byKey[key] = conflatedFrame{frame, c.nextSeq}
	c.nextSeq++
	c.bytes += len(frame)
	return skipped
}

// keys returns the keys in the order of their messages.
func (c *conflation) keys() []string {
	return slices.SortedFunc(maps.Keys(c.byKey), func(a, b string) int { return c.byKey[a].seq - c.byKey[b].seq })
}

// trim removes the oldest messages beyond a limit in bytes, except for the last one. It returns
// how many it removed.
func (c *conflation) trim(limit int) (skipped int) {
	if c.bytes <= limit {
		return 0
	}
	for _, key := range c.keys() {
		if c.bytes <= limit || len(c.byKey) == 1 {
			break
		}
		c.bytes -= len(c.byKey[key].frame)
		delete(c.byKey, key)
		skipped++
	}
	return skipped
}

// frames returns the frames in the order of their messages.
func (c *conflation) frames() []byte {
	out := make([]byte, 0, c.bytes)
	for _, key := range c.keys() {
		out = append(out, c.byKey[key].frame...)
	}
	return out
}

// skipToEnd moves a slow client to the end of its topic, and sends it a gap message. With conflate
// the client gets the latest message of each key that it skips. A client that is lost before it
// has all of these cannot resume. skipToEnd returns the number of skipped messages.
func (h *hub) skipToEnd(c *client, conflate bool) (skipped int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil {
		return 0
	}
	conflated := c.conflated
	if conflated == nil && conflate {
		conflated = &conflation{byKey: map[string]conflatedFrame{}}
	}
	t := c.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	skipped, unsent := h.countSkipped(c, conflated)
	if unsent == 0 { // the write under way has the rest
		return 0
	}
	if conflated != nil {
		skipped += conflated.trim(int(h.opts.MaxLag.Bytes))
	}
	at := h.startAtEndLocked(t)
	c.position, c.sent, c.conflated = at.position, at.position.withoutChunk(), conflated
	if c.protocol {
		text := fmt.Sprintf(`{"type":"gap","reason":"too slow: %d messages were skipped","conflated":%v}`, skipped, conflate)
		c.controls = append(c.controls, controlFrame([]byte(text))...)
		from := controlFrame(subscribedMessage(at))
		if conflated != nil {
			c.controls = append(c.controls, controlFrame(subscribedMessage(startPoint{epoch: "none"}))...)
			conflated.end = from
		} else {
			c.controls = append(c.controls, from...)
		}
	}
	c.wake()
	return skipped
}

// countSkipped reads the messages that a client was not sent, and adds them to conflated if that is
// not nil. It returns how many the client does not get, and how many were unsent.
func (h *hub) countSkipped(c *client, conflated *conflation) (skipped, unsent int) {
	for p := c.position; ; {
		frames, next := p.unread()
		if frames == nil {
			return skipped, unsent
		}
		for index := p.messages; len(frames) > 0; index++ {
			_, _, size := frameAt(frames)
			offset, isPosition := index+1, false
			if c.topic != h.main {
				if index < c.topic.trimmed { // older than the topic's history; no event has the offset 0
					offset = 0
				} else {
					m := c.topic.entries[index-c.topic.trimmed]
					offset, isPosition = m.offset, m.isPosition
				}
			}
			if !isPosition {
				unsent++
				if key, known := h.history.conflationKey(offset); conflated != nil && known {
					skipped += conflated.add(key, frames[:size:size])
				} else {
					skipped++
				}
			}
			frames = frames[size:]
		}
		p = next
	}
}
