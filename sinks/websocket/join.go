package websocket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// finding is how long a client waits at most until its topic was made of the history.
const finding = 30 * time.Second

// errStopped says that a client has given up while its topic was made.
var errStopped = errors.New("the events for this subscription could not be found in time: try again later")

// join returns the topic of a subscription, and where in it a client begins: behind what
// it has, or, where that is not known any more, with what comes next.
func (h *hub) join(ctx context.Context, address string, s subscription, a after) (*topic, start, error) {
	t, err := h.hold(ctx, address, s)
	if err != nil {
		return nil, start{}, err
	}
	for {
		h.mu.Lock()
		number := h.wanted(a)
		if !t.behind(number) {
			at := h.start(t, a)
			h.mu.Unlock()
			return t, at, nil
		}
		h.mu.Unlock()
		if err := h.await(ctx, t, address, number); err != nil {
			return nil, start{}, err
		}
	}
}

// move has a client go on with another subscription: where it asks for it behind what it
// was sent of the one before, else with what comes next.
func (h *hub) move(ctx context.Context, c *client, s subscription, a after) error {
	ctx, cancel := context.WithTimeout(ctx, finding)
	defer cancel()
	t, err := h.hold(ctx, c.address, s)
	if err != nil {
		return err
	}
	c.pause(true) // it would go on in the old topic
	defer c.pause(false)
	for {
		done, number := h.tryMove(c, t, a)
		if done {
			return nil
		}
		if err := h.await(ctx, t, c.address, number); err != nil {
			return err
		}
	}
}

// tryMove moves a client to a topic, which must have come as far as the client; else it
// returns how far that is.
func (h *hub) tryMove(c *client, t *topic, a after) (done bool, number uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	old := c.topic
	goesOn := old != h.none && a.place == "" && a.asked
	if number = h.wanted(a); goesOn {
		number = h.sent(old, c.position)
	}
	if t.behind(number) {
		c.mu.Unlock()
		return false, number
	}
	var at start
	if !goesOn {
		at = h.start(t, a)
	} else { // it has heard of all gaps
		var ok bool
		if at, _, ok = h.find(t, after{epoch: h.epochOf(t), offset: number}); ok {
			at.recovered = true
		} else {
			at = h.end(t)
			at.lost = true
		}
	}
	c.topic, c.position, c.counted = t, at.position, at.position.counts()
	if old == h.none { // now it is known
		c.greet()
	}
	if c.protocol {
		c.answers = append(c.answers, controlFrame(subscribedMessage(at))...)
	}
	c.mu.Unlock()
	h.drop(old, c.address)
	return true, 0
}

// hold returns the topic of a subscription, which has every message up to now, and counts a
// client of an address that has it.
func (h *hub) hold(ctx context.Context, address string, s subscription) (*topic, error) {
	h.mu.Lock()
	if h.over {
		h.mu.Unlock()
		return nil, errStopped
	}
	h.evict(h.now())
	t, err := h.topic(address, s)
	if err == nil {
		t.clients++
		if t.asked() {
			if t.holders[address]++; t.holders[address] == 1 {
				h.held[address]++
			}
		}
	}
	number := h.main.log.messages.Load()
	h.mu.Unlock()
	if err != nil || !t.behind(number) {
		return t, err
	}
	if err = h.await(ctx, t, address, number); err != nil {
		return nil, err
	}
	return t, nil
}

// await waits until a topic has come to a number. Where that fails, the client of an address for
// which the topic was held has it no more.
func (h *hub) await(ctx context.Context, t *topic, address string, number uint64) error {
	err := t.wait(ctx, number)
	if err != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drop(t, address)
	}
	return err
}

// topic returns the topic of a subscription, and makes it where there is none. It lets the
// lock go meanwhile.
func (h *hub) topic(address string, s subscription) (*topic, error) {
	if s.all() {
		return h.main, nil
	}
	key := s.id()
	t := h.topics[key]
	if s.asked() {
		if err := h.mayAsk(address, t); err != nil {
			return nil, err
		}
	}
	if t != nil {
		return t, nil
	}
	sum := sha256.Sum256([]byte(key))
	first, total := h.history.first, h.main.log.messages.Load()
	t = &topic{
		subscription: s, key: key, hash: hex.EncodeToString(sum[:6]), log: newLog(), covered: first - 1, done: first - 1,
		cursor: h.history.seek(first), made: total, madeBytes: h.main.log.bytes.Load(), maker: address, holders: map[string]int{}, marked: total,
		fed: s.asked() || s.allowed.key == "", kept: &h.kept,
	}
	if t.fed {
		h.enter(t)
		h.feed(t, int(total-t.done))
		return t, nil
	}
	for events := t.cursor.events(); len(events) > 0; events = t.cursor.events() {
		h.mu.Unlock()
		for i := range events {
			p := &events[i]
			v := verdict{is: present}
			if p.key != t.allowed.key {
				v.is = absent
				if p.was == t.allowed.key {
					v = lostRow(t, p)
				}
			}
			if v.is != absent {
				t.add(t.cursor.number()+uint64(i), v, p)
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
	h.enter(t)
	return t, nil
}

// leave notes that a client has left its topic; one that nobody has goes.
func (h *hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(c.topic, c.address)
}

func (h *hub) drop(t *topic, address string) {
	if t.asked() {
		if t.holders[address]--; t.holders[address] == 0 {
			delete(t.holders, address)
			if h.held[address]--; h.held[address] == 0 {
				delete(h.held, address)
			}
		}
	}
	if t.clients--; t.clients > 0 || t == h.main || t == h.none {
		return
	}
	h.remove(t)
}
