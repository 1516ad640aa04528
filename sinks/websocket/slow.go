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

// dropSlow deals with clients that are too far behind, and returns how many messages the
// last of the others is. It is called per chunk of the log, so the bound is kept to within
// a chunk.
func (s *sink) dropSlow() uint64 {
	var most uint64
	for _, c := range s.all() {
		t, messages, bytes := c.lag()
		if messages <= uint64(s.opts.MaxLag.Events) && bytes <= s.hub.mayLag(t) {
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

// kept is the last message of each key that a slow client has skipped, and what is sent
// behind them.
type kept struct {
	byKey map[string]keptFrame
	next  int // the order of the next one
	bytes int
	end   []byte
}

type keptFrame struct {
	frame []byte
	order int
}

// add notes a message, in the place of one that has the same key. It returns how many went.
func (k *kept) add(key string, frame []byte) (dropped int) {
	if old, ok := k.byKey[key]; ok {
		k.bytes -= len(old.frame)
		dropped = 1
	}
	k.byKey[key] = keptFrame{frame, k.next}
	k.next++
	k.bytes += len(frame)
	return dropped
}

// keys returns the keys in the order in which their messages came.
func (k *kept) keys() []string {
	return slices.SortedFunc(maps.Keys(k.byKey), func(a, b string) int { return k.byKey[a].order - k.byKey[b].order })
}

// trim has the oldest go beyond most bytes, but for the last. It returns how many went.
func (k *kept) trim(most int) (dropped int) {
	if k.bytes <= most {
		return 0
	}
	for _, key := range k.keys() {
		if k.bytes <= most || len(k.byKey) == 1 {
			break
		}
		k.bytes -= len(k.byKey[key].frame)
		delete(k.byKey, key)
		dropped++
	}
	return dropped
}

func (k *kept) frames() []byte {
	out := make([]byte, 0, k.bytes)
	for _, key := range k.keys() {
		out = append(out, k.byKey[key].frame...)
	}
	return out
}

// skip has a client go on with what comes next, and tells it; with conflate it gets the
// latest message of each key that it skips. While those are sent it has no place to come
// back to. It returns how many messages it does not get.
func (h *hub) skip(c *client, conflate bool) (skipped int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil {
		return 0
	}
	k := c.kept
	if k == nil && conflate {
		k = &kept{byKey: map[string]keptFrame{}}
	}
	t := c.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	skipped, passed := h.latest(c, k)
	if passed == 0 { // what it is behind is being written already
		return 0
	}
	if k != nil {
		skipped += k.trim(int(h.opts.MaxLag.Bytes))
	}
	at := h.endOf(t)
	c.position, c.counted, c.kept = at.position, at.position.counts(), k
	if c.protocol {
		text := fmt.Sprintf(`{"type":"gap","reason":"too slow: %d messages were left out","conflated":%v}`, skipped, conflate)
		c.answers = append(c.answers, controlFrame([]byte(text))...)
		from := controlFrame(subscribedMessage(at))
		if k != nil {
			c.answers = append(c.answers, controlFrame(subscribedMessage(start{epoch: "none"}))...)
			k.end = from
		} else {
			c.answers = append(c.answers, from...)
		}
	}
	c.wake()
	return skipped
}

// latest walks over what a client has not been sent, and keeps the last frame of each key,
// where k is not nil. It returns how many the client does not get, and how many there are.
func (h *hub) latest(c *client, k *kept) (skipped, passed int) {
	for p := c.position; ; {
		frames, next := p.next()
		if frames == nil {
			return skipped, passed
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
				if key, known := h.history.key(number); k != nil && known {
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
