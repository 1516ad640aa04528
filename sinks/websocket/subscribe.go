package websocket

import (
	"context"
	"slices"
)

// compile returns the subscription that a client requests, with its rights, and the point from which
// it resumes.
func (c *client) compile(request subscribeRequest) (sub subscription, from resumePoint, err error) {
	if sub, err = request.compile(c.sink.opts, c.protocol); err != nil {
		return sub, from, err
	}
	sub.rights = c.rights
	if err = sub.checkChannels(); err != nil {
		return sub, from, err
	}
	from, err = request.resumePoint()
	return sub, from, err
}

// subscribe adds a subscription with an id, or replaces it.
func (c *client) subscribe(ctx context.Context, id string, request subscribeRequest) error {
	if err := checkID(id); err != nil {
		return err
	}
	sub, from, err := c.compile(request)
	if err != nil {
		return err
	}
	if moves := c.pauseReaders(func(r *reader) bool { return r.id == id }); len(moves) > 0 {
		moves[0].subscription, moves[0].from, moves[0].attributes = sub, from, c.mayHaveAttributes(request)
		err = c.move(ctx, moves)
	} else {
		err = c.addReader(ctx, id, sub, from, c.mayHaveAttributes(request))
	}
	if err == nil {
		c.setPresence(id, request.Presence)
	}
	c.closeIfEnded() // the topic may have ended before the client had it
	return err
}

// addReader adds a subscription, which begins when the topic has its messages.
func (c *client) addReader(ctx context.Context, id string, sub subscription, from resumePoint, attributes bool) error {
	if n := c.sink.opts.Limits.Subscriptions; n > 0 && c.subscriptionCount() >= n {
		return errTooManySubscriptions
	}
	t, at, err := c.sink.hub.join(ctx, c.address, sub, from)
	if err != nil {
		return err
	}
	r := &reader{client: c, id: id, topic: t, attributes: attributes}
	c.mu.Lock()
	c.attributed = c.attributed || attributes
	r.moveTo(at.position)
	if c.closing != nil && !c.drain {
		r.position = position{} // see releaseLog
	}
	c.readers = append(c.readers, r)
	c.admit()
	c.queueNamed(id, subscribedMessage(at))
	c.mu.Unlock()
	c.wake()
	return nil
}

// mayHaveAttributes reports whether a subscription gets the attributes of its payloads.
func (c *client) mayHaveAttributes(request subscribeRequest) bool {
	return request.Attributes && c.protocol && c.sink.opts.Attributes
}

func (c *client) subscriptionCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.readers)
}

// unsubscribe ends a subscription.
func (c *client) unsubscribe(id string) error {
	c.mu.Lock()
	i := slices.IndexFunc(c.readers, func(r *reader) bool { return r.id == id })
	if i < 0 {
		c.mu.Unlock()
		return errNotSubscribed
	}
	t := c.removeReader(i)
	c.updatePresence()
	c.queueNamed(id, unsubscribedMessage())
	c.mu.Unlock()
	c.sink.hub.releaseTopic(t, c.address)
	c.wake()
	return nil
}

// removeReader removes a reader, and returns its topic, which must be released. It needs mu.
func (c *client) removeReader(i int) *topic {
	r := c.readers[i]
	r.leaveIdle()
	t := r.topic
	r.topic, r.position, r.skip = nil, position{}, nil
	c.readers = slices.Delete(c.readers, i, i+1)
	return t
}

// detach removes the client from its topics.
func (h *hub) detach(c *client) {
	c.mu.Lock()
	var topics []*topic
	for len(c.readers) > 0 {
		topics = append(topics, c.removeReader(len(c.readers)-1))
	}
	c.updatePresence()
	c.mu.Unlock()
	for _, t := range topics {
		h.releaseTopic(t, c.address)
	}
}
