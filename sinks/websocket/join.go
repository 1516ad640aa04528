package websocket

import (
	"context"
	"errors"
	"time"
)

// catchUpTimeout is how long a client waits at most until its topic was filled from the history.
const catchUpTimeout = 30 * time.Second

// errNotReady refuses a client whose topic was not filled in time.
var errNotReady = errors.New("the history for this subscription was not evaluated in time: try again later")

// join returns the topic of a subscription, and the point at which a client begins: behind the
// messages that it has, or at the end if the history does not reach back to them.
func (h *hub) join(ctx context.Context, address string, s subscription, from resumePoint) (*topic, startPoint, error) {
	t, err := h.acquireTopic(ctx, address, s)
	if err != nil {
		return nil, startPoint{}, err
	}
	for {
		h.mu.Lock()
		offset := h.resumeOffset(from)
		if !t.lacks(offset) {
			at := h.startFrom(t, from)
			h.mu.Unlock()
			return t, at, nil
		}
		h.mu.Unlock()
		if err := h.awaitTopic(ctx, t, address, offset); err != nil {
			return nil, startPoint{}, err
		}
	}
}

// switchTopic changes the subscription of a client. If the client asks to resume, it continues
// behind the messages that it was sent of its former topic, else at the end.
func (h *hub) switchTopic(ctx context.Context, c *client, s subscription, from resumePoint) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	t, err := h.acquireTopic(ctx, c.address, s)
	if err != nil {
		return err
	}
	c.pauseLog(true) // else it would send more of the old topic
	defer c.pauseLog(false)
	for {
		done, number := h.trySwitch(c, t, from)
		if done {
			return nil
		}
		if err := h.awaitTopic(ctx, t, c.address, number); err != nil {
			return err
		}
	}
}

// trySwitch moves a client to a topic. If the topic does not have the messages up to the offset of
// the client yet, it reports false and returns this offset.
func (h *hub) trySwitch(c *client, t *topic, from resumePoint) (done bool, offset uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	old := c.topic
	continues := old != h.unauthenticated && from.named == "" && from.given
	if offset = h.resumeOffset(from); continues {
		offset = h.sentOffset(old, c.position)
	}
	if t.lacks(offset) {
		c.mu.Unlock()
		return false, offset
	}
	var at startPoint
	if !continues {
		at = h.startFrom(t, from)
	} else { // it was sent the gap messages already
		var ok bool
		if at, _, ok = h.locate(t, resumePoint{epoch: h.epochOf(t), offset: offset}); ok {
			at.recovered = true
		} else {
			at = h.startAtEnd(t)
			at.gap = true
		}
	}
	c.topic, c.position, c.sent = t, at.position, at.position.withoutChunk()
	if old == h.unauthenticated { // its first messages
		c.queueWelcome()
	}
	if c.protocol {
		c.controls = append(c.controls, controlFrame(subscribedMessage(at))...)
	}
	c.mu.Unlock()
	h.releaseTopic(old, c.address)
	return true, 0
}

// acquireTopic returns the topic of a subscription, and counts a client of an address in it. It
// waits until the topic has every message that was written before the call.
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

// awaitTopic waits until a topic has all messages up to an offset. On an error it releases the topic.
func (h *hub) awaitTopic(ctx context.Context, t *topic, address string, offset uint64) error {
	err := t.waitFor(ctx, offset)
	if err != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.releaseTopic(t, address)
	}
	return err
}

// compile returns the subscription that a client requests, with its rights, and the point from which
// it resumes.
func (c *client) compile(request subscribeRequest) (sub subscription, from resumePoint, err error) {
	if sub, err = request.compile(c.sink.opts, c.protocol); err != nil {
		return sub, from, err
	}
	sub.rights = c.rights
	from, err = request.resumePoint()
	return sub, from, err
}

// subscribe changes the subscription of the client.
func (c *client) subscribe(request subscribeRequest) error {
	sub, from, err := c.compile(request)
	if err != nil {
		return err
	}
	return c.sink.hub.switchTopic(context.Background(), c, sub, from)
}
