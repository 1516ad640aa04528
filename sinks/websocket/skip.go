package websocket

import "fmt"

// skip is what a slow reader is sent in the place of the messages that it skips.
type skip struct {
	messages  int         // that the client does not get
	conflated *conflation // those that it gets; nil: none
	forgotten bool        // conflated had messages that the client may not get any more
	id        string      // of the subscription
	name      []byte      // frame that names the subscription of the conflated messages; nil: the client knows it
	gap       []byte      // control frames before the conflated messages
	end       []byte      // control frame behind them
}

// skipToEnd moves a slow reader to the end of its topic, and sends its client a gap message. With conflate the client
// gets the latest message of each key that it skips. A client that is lost before it has all of these cannot resume.
// While the client accepts no byte, later skips become a part of the first. skipToEnd returns the number of skipped messages.
func (h *hub) skipToEnd(r *reader, conflate bool) (skipped int) {
	c := r.client
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil || r.switching || r.topic == nil { // one that changes its topic continues behind what it was sent
		return 0
	}
	k := &skip{id: r.id}
	if r.skip != nil {
		*k = *r.skip
	}
	if conflate = conflate && !k.forgotten; k.conflated == nil && conflate {
		k.conflated = &conflation{byKey: map[string]conflatedFrame{}}
	}
	r.topic.mu.Lock() // its feeder appends nothing between the messages that are counted and the end
	skipped, unsent := h.countSkipped(r, k.conflated)
	at := h.startAtEnd(r.topic)
	r.topic.mu.Unlock()
	if unsent == 0 { // the write under way has the rest
		return 0
	}
	if k.conflated != nil {
		skipped += k.conflated.trim(int(h.opts.MaxLag.Bytes) / len(c.readers))
	}
	k.messages += skipped
	at.name = h.nameOf(at.offset)
	r.leaveIdle()
	r.moveTo(at.position)
	if c.protocol {
		k.gap = k.gapFrame()
		k.end = controlFrame(namedMessage(r.id, subscribedMessage(at)))
		if conflate {
			k.gap = append(k.gap, controlFrame(namedMessage(r.id, subscribedMessage(startPoint{epoch: "none"})))...)
		}
	}
	r.skip, c.hasSkip = k, true
	c.wake()
	return skipped
}

// gapFrame returns the frame that announces the skipped messages.
func (k *skip) gapFrame() []byte {
	text := fmt.Sprintf(`{"type":"gap","reason":"too slow: %d messages were skipped","conflated":%v}`, k.messages, k.conflated != nil)
	return controlFrame(namedMessage(k.id, []byte(text)))
}

// forget removes the conflated messages, which the old rights of the client have shown, and returns how many. The client gets a gap
// in their place, because it may not have the latest message of each key.
func (k *skip) forget() (skipped int) {
	if k.conflated == nil {
		return 0
	}
	skipped = len(k.conflated.byKey)
	k.messages += skipped
	k.conflated, k.forgotten = nil, true
	k.gap = k.gapFrame()
	return skipped
}

// takeSkips takes the skips of all readers. It needs mu.
func (c *client) takeSkips(o *output) {
	c.hasSkip = false
	for _, r := range c.readers {
		if r.skip == nil {
			continue
		}
		if r.skip.conflated != nil {
			r.skip.name = c.nameRun(r.id)
		}
		o.skips = append(o.skips, r.skip)
		r.skip = nil
	}
}

// sendSkip writes what a reader gets in the place of the messages that it has skipped.
func (c *client) sendSkip(k *skip) bool {
	if k.conflated == nil {
		return c.send(append(k.gap, k.end...))
	}
	return c.send(append(k.gap, k.name...)) && c.sendMessages(k.conflated.frames()) && c.send(k.end)
}

// countSkipped reads the messages that a reader was not sent, and adds them to conflated if that is
// not nil. It returns how many the client does not get, and how many were unsent.
func (h *hub) countSkipped(r *reader, conflated *conflation) (skipped, unsent int) {
	for p := r.position; ; {
		frames, next := p.unread()
		if frames == nil {
			return skipped, unsent
		}
		// p is in the chunk of frames now
		for i := p.chunkIndex; len(frames) > 0; i++ {
			_, _, size := frameAt(frames)
			offset := p.chunk.messages + uint64(i) + 1
			if r.topic != h.main {
				offset = p.chunk.offset + uint64(i)
			}
			if r.topic == h.main || !p.chunk.isPosition {
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
