package websocket

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// removeTopic removes a topic; the next client with its subscription gets a new one. It needs the
// hub's lock.
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
		h.groupOf(t).wake() // the feeder ends with its last topic
	}
}

// findOrCreate returns the topic of a subscription, and creates it if there is none. It needs the
// hub's lock, and releases it while it fills a topic from the history.
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
	t.cursor = cursor{} // would keep the history in memory
	t.log.publish()
	t.published = true
	h.index(t)
	return t, nil
}

// index adds a topic to the indexes of the hub.
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

// unindex removes a topic from the indexes of the hub.
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

// detach removes a client from its topic.
func (h *hub) detach(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.releaseTopic(c.topic, c.address)
}

// releaseTopic removes a client of an address from a topic. A topic without clients is removed. It
// needs the hub's lock.
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
