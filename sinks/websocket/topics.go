package websocket

import (
	"crypto/sha256"
	"encoding/hex"
)

// findOrCreate returns the topic of a subscription, and creates it if there is none.
func (f *feeder) findOrCreate(address string, s subscription) (*topic, error) {
	key := s.id()
	t := f.topics[key]
	if t == nil {
		t = f.newTopic(address, key, s)
		f.index.add(t, f.cursor.offset())
		f.conjuncts.add(t)
	}
	if err := f.admit(address, t); err != nil {
		if f.topics[key] == nil {
			f.index.remove(t)
			f.conjuncts.remove(t)
		}
		return nil, err
	}
	if f.topics[key] == nil {
		f.topics[key] = t
		t.listIndex = len(f.list)
		f.list = append(f.list, t)
		f.count.Store(int64(len(f.list)))
		f.budgets.countTopic(t, 1)
	}
	t.clients++
	f.budgets.addClient(t, address)
	return t, nil
}

func (f *feeder) newTopic(address, key string, s subscription) *topic {
	sum := sha256.Sum256([]byte(key))
	log := f.hub.main.log
	offset, bytes := log.messages.Load(), log.bytes.Load()
	t := &topic{
		subscription: s, key: key, hash: hex.EncodeToString(sum[:6]), feeder: f, own: newTopicLog(offset, bytes), creator: address,
		createdAt: offset, createdAtBytes: bytes, upTo: offset, begin: offset, lastPosition: offset,
	}
	t.log = &t.own.log
	f.budgets.fill(t)
	return t
}

// remove removes a topic; the next client with its subscription gets a new one.
func (f *feeder) remove(t *topic) {
	if t.removed {
		return
	}
	t.removed = true
	f.index.remove(t)
	f.conjuncts.remove(t)
	delete(f.topics, t.key)
	last := len(f.list) - 1
	f.list[t.listIndex] = f.list[last]
	f.list[t.listIndex].listIndex = t.listIndex
	f.list[last] = nil
	f.list = f.list[:last]
	f.count.Store(int64(last))
	f.budgets.countTopic(t, -1)
	if t.ready {
		f.ready--
	}
	t.mu.Lock()
	if t.endReason == nil {
		t.endReason = &endReason{closePolicy, "left", "no client has this filter any more"}
	}
	t.mu.Unlock()
	f.reportMemory(t)
}

// release removes a client of an address from a topic. A topic without clients is removed.
func (f *feeder) release(t *topic, address string) {
	f.budgets.removeClient(t, address)
	if t.clients--; t.clients == 0 {
		f.remove(t)
	}
}

// releaseTopic removes a client of an address from a topic, which may be the main one.
func (h *hub) releaseTopic(t *topic, address string) {
	if f := t.feeder; f != nil {
		f.do(func() { f.release(t, address) })
	}
}
