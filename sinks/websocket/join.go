package websocket

import (
	"context"
	"errors"
	"time"
)

// finding is how long a client waits at most until its topic was made of the history.
const catchUpTimeout = 30 * time.Second

// errStopped says that a client has given up while its topic was made.
var errNotReady = errors.New("the events for this subscription could not be found in time: try again later")

// join returns the topic of a subscription, and where in it a client begins: behind what
// it has, or, where that is not known any more, with what comes next.
func (h *hub) join(ctx context.Context, address string, s subscription, a resumePoint) (*topic, startPoint, error) {
	t, err := h.acquireTopic(ctx, address, s)
	if err != nil {
		return nil, startPoint{}, err
	}
	for {
		h.mu.Lock()
		offset := h.resumeOffset(a)
		if !t.lacks(offset) {
			at := h.resume(t, a)
			h.mu.Unlock()
			return t, at, nil
		}
		h.mu.Unlock()
		if err := h.awaitTopic(ctx, t, address, offset); err != nil {
			return nil, startPoint{}, err
		}
	}
}

// switchTopic has a client go on with another subscription: where it asks for it behind what it
// was sent of the one before, else with what comes next.
func (h *hub) switchTopic(ctx context.Context, c *client, s subscription, a resumePoint) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	t, err := h.acquireTopic(ctx, c.address, s)
	if err != nil {
		return err
	}
	c.pauseLog(true) // it would go on in the old topic
	defer c.pauseLog(false)
	for {
		done, number := h.trySwitch(c, t, a)
		if done {
			return nil
		}
		if err := h.awaitTopic(ctx, t, c.address, number); err != nil {
			return err
		}
	}
}

// trySwitch moves a client to a topic, which must have come as far as the client; else it
// returns how far that is.
func (h *hub) trySwitch(c *client, t *topic, a resumePoint) (done bool, offset uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	old := c.topic
	continues := old != h.unauthenticated && a.named == "" && a.given
	if offset = h.resumeOffset(a); continues {
		offset = h.sentOffset(old, c.position)
	}
	if t.lacks(offset) {
		c.mu.Unlock()
		return false, offset
	}
	var at startPoint
	if !continues {
		at = h.resume(t, a)
	} else { // it has heard of all gaps
		var ok bool
		if at, _, ok = h.locate(t, resumePoint{epoch: h.epochOf(t), offset: offset}); ok {
			at.recovered = true
		} else {
			at = h.end(t)
			at.gap = true
		}
	}
	c.topic, c.position, c.sent = t, at.position, at.position.withoutChunk()
	if old == h.unauthenticated { // now it is known
		c.queueWelcome()
	}
	if c.protocol {
		c.controls = append(c.controls, controlFrame(subscribedMessage(at))...)
	}
	c.mu.Unlock()
	h.releaseTopic(old, c.address)
	return true, 0
}

// acquireTopic returns the topic of a subscription, which has every message up to now, and counts a
// client of an address that has it.
func (h *hub) acquireTopic(ctx context.Context, address string, s subscription) (*topic, error) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, errNotReady
	}
	h.trim(h.now())
	t, err := h.findOrCreate(address, s)
	if err == nil {
		t.clients++
		if t.filtered() {
			if t.holders[address]++; t.holders[address] == 1 {
				h.topicsByAddress[address]++
			}
		}
	}
	offset := h.main.log.messages.Load()
	h.mu.Unlock()
	if err != nil || !t.lacks(offset) {
		return t, err
	}
	if err = h.awaitTopic(ctx, t, address, offset); err != nil {
		return nil, err
	}
	return t, nil
}

// awaitTopic waits until a topic has come to a number. Where that fails, the client of an address for
// which the topic was held has it no more.
func (h *hub) awaitTopic(ctx context.Context, t *topic, address string, offset uint64) error {
	err := t.waitFor(ctx, offset)
	if err != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.releaseTopic(t, address)
	}
	return err
}

// compile returns what a wish comes to with the client's rights.
func (c *client) compile(w subscribeRequest) (sub subscription, has resumePoint, err error) {
	if sub, err = w.compile(c.sink.opts, c.protocol); err != nil {
		return sub, has, err
	}
	sub.rights = c.rights
	has, err = w.resumePoint()
	return sub, has, err
}

// subscribe goes on with another subscription.
func (c *client) subscribe(w subscribeRequest) error {
	sub, has, err := c.compile(w)
	if err != nil {
		return err
	}
	return c.sink.hub.switchTopic(context.Background(), c, sub, has)
}
