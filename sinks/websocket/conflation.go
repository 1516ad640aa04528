package websocket

import (
	"maps"
	"slices"
)

// conflation holds the latest message of each key that a slow client has skipped.
type conflation struct {
	byKey   map[string]conflatedFrame
	nextSeq int // seq of the next frame
	bytes   int // of all frames
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
