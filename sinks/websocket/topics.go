package websocket

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// endReason says why a topic has ended, with which code its clients are closed, and what the
// metrics call it.
type endReason struct {
	code        int
	label, text string
}

func (e *endReason) err() error {
	if e == nil {
		return nil
	}
	return e
}

// Error is part of [error].
func (e *endReason) Error() string { return e.text }

// endReasonFor is an ending in the words for a topic of filters and channels, or in those for one
// of rights only, whose clients have asked for nothing.
func (t *topic) endReasonFor(code int, reason, filter, view string) *endReason {
	if t.filtered() {
		return &endReason{code, reason, filter}
	}
	return &endReason{code, reason, view}
}

// endTopic ends a topic: its clients are told, and closed.
func (h *hub) endTopic(t *topic, reason *endReason) {
	h.mu.Lock()
	gone := t.removed
	t.mu.Lock()
	t.endReason = reason
	t.mu.Unlock()
	h.removeTopic(t)
	h.mu.Unlock()
	if gone {
		return
	}
	h.metrics.filtersEnded.WithLabelValues(reason.label).Inc()
	for _, c := range h.clients() { // one that is not listed yet looks itself
		c.closeIfEnded(t)
	}
}

// removeTopic forgets a topic: a client that asks for the same gets another one. It needs the lock.
func (h *hub) removeTopic(t *topic) {
	if t.removed {
		return
	}
	t.removed = true
	h.unindex(t)
	if t.filtered() {
		h.filteredTopics--
		h.shareMemory()
	}
	if t.fed {
		t.mu.Lock()
		if t.endReason == nil {
			t.endReason = &endReason{closePolicy, "left", "no client has this filter any more"}
		}
		t.reportMemory()
		for _, w := range t.waiters {
			close(w.done)
		}
		t.waiters = nil
		t.mu.Unlock()
		h.groupOf(t).wake() // its feeder, which ends where it was the last
	}
}

// closeIfEnded closes a client whose topic has ended, and tells it why.
func (c *client) closeIfEnded(t *topic) {
	c.mu.Lock()
	has := c.topic == t
	c.mu.Unlock()
	t.mu.Lock()
	reason := t.endReason
	t.mu.Unlock()
	if !has || reason == nil {
		return
	}
	if c.protocol {
		c.queueControl(controlFrame(errorMessage(reason)))
	}
	c.close(closeFrame(reason.code, reason.text), "filter", false)
}

// endAllTopics ends all topics that are fed, and takes no more: clients that are still waiting for one
// go. It is for a stop whose time is over.
func (h *hub) endAllTopics() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, l := range h.groups() {
		for _, t := range slices.Clone(l.topics) {
			t.mu.Lock()
			t.endReason = &endReason{closeRestart, "shutdown", "the gateway is stopping"}
			t.mu.Unlock()
			h.removeTopic(t)
		}
	}
}

// findOrCreate returns the topic of a subscription, and makes it where there is none. It lets the
// lock go meanwhile.
func (h *hub) findOrCreate(address string, s subscription) (*topic, error) {
	if s.isAll() {
		return h.main, nil
	}
	key := s.id()
	t := h.topics[key]
	if s.filtered() {
		if err := h.admitTopic(address, t); err != nil {
			return nil, err
		}
	}
	if t != nil {
		return t, nil
	}
	sum := sha256.Sum256([]byte(key))
	first, total := h.history.first, h.main.log.messages.Load()
	t = &topic{
		subscription: s, key: key, hash: hex.EncodeToString(sum[:6]), log: newLog(), startOffset: first - 1, upTo: first - 1,
		cursor: h.history.seek(first), createdAt: total, createdAtBytes: h.main.log.bytes.Load(), creator: address, holders: map[string]int{}, lastPosition: total,
		fed: s.filtered() || s.rights.key == "", memory: &h.memory,
	}
	if t.fed {
		h.index(t)
		h.startFeeding(t, int(total-t.upTo))
		return t, nil
	}
	for events := t.cursor.following(); len(events) > 0; events = t.cursor.following() {
		h.mu.Unlock()
		for i := range events {
			p := &events[i]
			v := match{kind: matchEvent}
			if p.rightsKey != t.rights.key {
				v.kind = matchNone
				if p.oldRightsKey == t.rights.key {
					v = leaveOf(t, p)
				}
			}
			if v.kind != matchNone {
				t.append(t.cursor.offset()+uint64(i), v, p)
			}
		}
		t.cursor.index += len(events)
		h.mu.Lock()
		if other := h.topics[key]; other != nil {
			return other, nil
		}
	}
	t.cursor = cursor{} // it would keep the history
	t.log.publish()
	t.published = true
	h.index(t)
	return t, nil
}

// index lists a topic, and exit takes it out.
func (h *hub) index(t *topic) {
	h.topics[t.key] = t
	if t.filtered() {
		h.filteredTopics++
		h.shareMemory()
	}
	if !t.fed {
		h.byRightsKey[t.rights.key] = append(h.byRightsKey[t.rights.key], t)
	}
}

func (h *hub) unindex(t *topic) {
	delete(h.topics, t.key)
	if t.fed {
		h.groupOf(t).remove(t)
		return
	}
	key := t.rights.key
	same := func(o *topic) bool { return o == t }
	if h.byRightsKey[key] = slices.DeleteFunc(h.byRightsKey[key], same); len(h.byRightsKey[key]) == 0 {
		delete(h.byRightsKey, key)
	}
}

// detach notes that a client has left its topic; one that nobody has goes.
func (h *hub) detach(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.releaseTopic(c.topic, c.address)
}

func (h *hub) releaseTopic(t *topic, address string) {
	if t.filtered() {
		if t.holders[address]--; t.holders[address] == 0 {
			delete(t.holders, address)
			if h.topicsByAddress[address]--; h.topicsByAddress[address] == 0 {
				delete(h.topicsByAddress, address)
			}
		}
	}
	if t.clients--; t.clients > 0 || t == h.main || t == h.unauthenticated {
		return
	}
	h.removeTopic(t)
}
