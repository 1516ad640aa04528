package websocket

import (
	"context"
	"errors"
	"time"
)

// catchUpTimeout is how long a client waits at most until its topic has the messages that it needs.
const catchUpTimeout = 30 * time.Second

// errNotReady refuses a client whose topic did not have its messages in time.
var errNotReady = errors.New("the history for this subscription was not evaluated in time: try again later")

// joinNow returns the topic of a subscription, and the point at which a client begins: behind the
// messages that it has, or at the end if the history does not reach back to them. The topic has every message that was
// written before the call.
func (h *hub) joinNow(ctx context.Context, address string, s subscription, from resumePoint) (*topic, startPoint, error) {
	if s.isAll() && !(h.stream.used && s.protocol) { // else it needs position messages
		h.mu.Lock()
		defer h.mu.Unlock()
		h.trim(h.now())
		return h.main, h.startMain(from), nil
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	f := h.feederOf(s)
	j := &joining{subscription: s, address: address, from: from, done: make(chan struct{})}
	select {
	case <-h.closed:
		return nil, startPoint{}, errNotReady
	default:
	}
	f.do(func() { f.join(j) })
	select {
	case <-j.done:
		return j.topic, j.at, j.err
	case <-ctx.Done():
	case <-h.closed:
	}
	f.do(func() { f.cancel(j) })
	return nil, startPoint{}, errNotReady
}

// feederOf returns the feeder of a subscription.
func (h *hub) feederOf(s subscription) *feeder {
	if s.filtered() {
		return h.feeders[filterFeeder]
	}
	return h.feeders[rightsFeeder]
}

// switchTopic changes the subscription of a client. If the client asks to resume, it continues
// behind the messages that it was sent of its former topic, else at the end.
func (h *hub) switchTopic(ctx context.Context, c *client, s subscription, from resumePoint) error {
	c.pauseLog(true) // else it would send more of the old topic
	defer c.pauseLog(false)
	c.mu.Lock()
	old, sent, closing := c.topic, c.position, c.closing != nil
	c.mu.Unlock()
	if closing { // it may have no position any more
		return nil
	}
	if from.given && from.named == "" && old != h.unauthenticated {
		from = resumePoint{given: true, continues: true, offset: h.sentOffset(old, sent)}
	}
	t, at, err := h.join(ctx, c.address, s, from)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.topic, c.position, c.sent = t, at.position, at.position.withoutChunk()
	if old == h.unauthenticated { // its first messages
		c.queueWelcome()
	}
	if c.protocol {
		c.controls = append(c.controls, controlFrame(subscribedMessage(at))...)
	}
	c.mu.Unlock()
	h.releaseTopic(old, c.address)
	return nil
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
	if err := c.sink.hub.switchTopic(context.Background(), c, sub, from); err != nil {
		return err
	}
	c.closeIfEnded() // the topic may have ended before the client had it
	return nil
}
