package websocket

import (
	"cmp"
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
	var filtered []lagging
	history := s.hub.historyBegin()
	for _, c := range s.listClients() {
		t, l := c.lag()
		// Messages that are older than the history are in memory for this client.
		tooOld := l.since > 0 && l.since+uint64(s.opts.MaxLag.Bytes) < history
		if l.messages > uint64(s.opts.MaxLag.Events) || l.bytes > uint64(s.opts.MaxLag.Bytes) || tooOld {
			s.handleSlowClient(c, l.messages)
			continue
		}
		greatestLag = max(greatestLag, l.messages)
		if t.filtered() && l.chunks > 0 {
			filtered = append(filtered, lagging{c, t, l})
		}
	}
	s.boundMemory(filtered)
	return greatestLag
}

// lagging is a client with a filter or channels, its topic and its lag.
type lagging struct {
	client *client
	topic  *topic
	lag
}

// boundMemory handles the slowest of the clients with filters, so that the chunks for the others take no more than
// limits.filter_memory. Clients of one topic share its chunks.
func (s *sink) boundMemory(clients []lagging) {
	slices.SortFunc(clients, func(a, b lagging) int { return cmp.Compare(a.chunks, b.chunks) })
	memory, held := uint64(0), map[*topic]uint64{}
	for i, l := range clients {
		memory += (l.chunks - held[l.topic]) * chunkBytes
		held[l.topic] = l.chunks
		if memory > uint64(s.opts.Limits.FilterMemory) {
			for _, slow := range clients[i:] {
				s.handleSlowClient(slow.client, slow.messages)
			}
			return
		}
	}
}

// handleSlowClient evicts a client, or moves it to the end of its topic, as the option slow_client says.
func (s *sink) handleSlowClient(c *client, messages uint64) {
	if s.opts.SlowClient == slowDisconnect {
		c.close(closeFrame(closeSlow, fmt.Sprintf("too slow: a lag of %d messages; connect again to get new ones", messages)), "slow", false)
		return
	}
	s.metrics.skipped.Add(float64(s.hub.skipToEnd(c, s.opts.SlowClient == slowConflate)))
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
	if c.closing != nil || c.switching { // a client that changes its topic continues behind what it was sent
		return 0
	}
	conflated := c.conflated
	if conflated == nil && conflate {
		conflated = &conflation{byKey: map[string]conflatedFrame{}}
	}
	t := c.topic
	skipped, unsent := h.countSkipped(c, conflated)
	if unsent == 0 { // the write under way has the rest
		return 0
	}
	if conflated != nil {
		skipped += conflated.trim(int(h.opts.MaxLag.Bytes))
	}
	at := h.startAtEnd(t)
	at.name = h.nameOf(at.offset)
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
		// p is in the chunk of frames now
		for i := p.chunkIndex; len(frames) > 0; i++ {
			_, _, size := frameAt(frames)
			offset := p.chunk.messages + uint64(i) + 1
			if c.topic != h.main {
				offset = p.chunk.offset + uint64(i)
			}
			if c.topic == h.main || !p.chunk.isPosition {
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
