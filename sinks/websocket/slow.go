package websocket

import (
	"fmt"
	"slices"
)

// What becomes of a client that is too far behind.
const (
	slowDisconnect = "disconnect"
	slowDropOldest = "drop_oldest"
	slowConflate   = "conflate"
)

// dropSlow deals with clients that are too far behind, and returns how many messages the
// last of the others is. It is called per chunk of the log, so the bound is kept to within
// a chunk.
func (s *sink) dropSlow() uint64 {
	var most uint64
	for _, c := range s.all() {
		messages, bytes := c.lag()
		if messages <= uint64(s.opts.MaxLag.Events) && bytes <= uint64(s.opts.MaxLag.Bytes) {
			most = max(most, messages)
			continue
		}
		if s.opts.SlowClient == slowDisconnect {
			c.close(closeFrame(closeSlow, fmt.Sprintf("too slow: %d messages behind; connect again to go on with new ones", messages)), "slow", false)
			continue
		}
		s.metrics.skipped.Add(float64(s.hub.skip(c, s.opts.SlowClient == slowConflate)))
	}
	return most
}

// skip has a client go on with what comes next, and tells it; with conflate it gets the
// latest message of each key that it skips. It returns how many messages it does not get.
func (h *hub) skip(c *client, conflate bool) (skipped int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil {
		return 0
	}
	kept, passed := h.latest(c, conflate)
	if passed == 0 { // what it is behind is being written already
		return 0
	}
	c.position = c.topic.log.start()
	c.sent = c.position.counts()
	skipped = passed - len(kept)
	if c.protocol {
		text := fmt.Sprintf(`{"type":"gap","reason":"too slow: %d messages were left out","conflated":%v}`, skipped, conflate)
		c.control = appendFrame(c.control, opText, []byte(text))
	}
	for _, frame := range kept {
		c.control = append(c.control, frame...)
	}
	if c.protocol { // from here on it counts anew
		c.control = appendFrame(c.control, opText, positionMessage(h.main.log.messages.Load()))
	}
	c.wake()
	return skipped
}

// latest walks over what a client has not been sent, and returns the last frame of each
// key, in order, and how many there are in all.
func (h *hub) latest(c *client, conflate bool) (kept [][]byte, passed int) {
	type latest struct {
		frame []byte
		index int
	}
	byKey := map[string]latest{}
	for p := c.position; ; {
		frames, next := p.next()
		if frames == nil {
			break
		}
		for index := p.messages; len(frames) > 0; index++ {
			_, _, size := frameAt(frames)
			number, mark := index+1, false
			if c.topic != h.main {
				if index < c.topic.from { // older than the topic's history
					number = 0
				} else {
					m := c.topic.numbers[index-c.topic.from]
					number, mark = m.number, m.mark
				}
			}
			if !mark {
				passed++
				if key, known := h.history.key(number); conflate && known {
					byKey[key] = latest{frames[:size:size], passed}
				}
			}
			frames = frames[size:]
		}
		p = next
	}
	all := make([]latest, 0, len(byKey))
	for _, l := range byKey {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b latest) int { return a.index - b.index })
	for _, l := range all {
		kept = append(kept, l.frame)
	}
	return kept, passed
}
