package websocket

import "slices"

// ending says why a topic has ended, with which code its clients are closed, and what the
// metrics call it.
type ending struct {
	code         int
	reason, text string
}

func (e *ending) err() error {
	if e == nil {
		return nil
	}
	return e
}

// Error is part of [error].
func (e *ending) Error() string { return e.text }

// tooMuch is an ending in the words for a topic of filters and channels, or in those for one
// of rights only, whose clients have asked for nothing.
func (t *topic) tooMuch(code int, reason, filter, view string) *ending {
	if t.asked() {
		return &ending{code, reason, filter}
	}
	return &ending{code, reason, view}
}

// finish ends a topic: its clients are told, and closed.
func (h *hub) finish(t *topic, why *ending) {
	h.mu.Lock()
	gone := t.removed
	t.mu.Lock()
	t.ended = why
	t.mu.Unlock()
	h.remove(t)
	h.mu.Unlock()
	if gone {
		return
	}
	h.metrics.filtersEnded.WithLabelValues(why.reason).Inc()
	for _, c := range h.clients() { // one that is not listed yet looks itself
		c.endWith(t)
	}
}

// remove forgets a topic: a client that asks for the same gets another one. It needs the lock.
func (h *hub) remove(t *topic) {
	if t.removed {
		return
	}
	t.removed = true
	h.exit(t)
	if t.asked() {
		h.asked--
		h.divide()
	}
	if t.fed {
		t.mu.Lock()
		if t.ended == nil {
			t.ended = &ending{closePolicy, "left", "no client has this filter any more"}
		}
		t.account()
		for _, w := range t.waiters {
			close(w.there)
		}
		t.waiters = nil
		t.mu.Unlock()
		h.laneOf(t).wake() // its feeder, which ends where it was the last
	}
}

// endWith closes a client whose topic has ended, and tells it why.
func (c *client) endWith(t *topic) {
	c.mu.Lock()
	has := c.topic == t
	c.mu.Unlock()
	t.mu.Lock()
	why := t.ended
	t.mu.Unlock()
	if !has || why == nil {
		return
	}
	if c.protocol {
		c.enqueue(controlFrame(errorMessage(why)))
	}
	c.close(closeFrame(why.code, why.text), "filter", false)
}

// endAll ends all topics that are fed, and takes no more: clients that are still waiting for one
// go. It is for a stop whose time is over.
func (h *hub) endAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	for _, l := range h.lanes() {
		for _, t := range slices.Clone(l.topics) {
			t.mu.Lock()
			t.ended = &ending{closeRestart, "shutdown", "the gateway is stopping"}
			t.mu.Unlock()
			h.remove(t)
		}
	}
}
