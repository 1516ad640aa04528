package websocket

// endReason is the reason why a topic has ended. It is an error.
type endReason struct {
	code  int    // close code for the clients
	label string // of the metric gateway_websocket_filters_ended_total
	text  string // for the clients
}

// err returns the reason as an error, nil if there is none.
func (e *endReason) err() error {
	if e == nil {
		return nil
	}
	return e
}

// Error is part of [error].
func (e *endReason) Error() string { return e.text }

// endReasonFor returns a reason with one text for a filtered topic, and another for an unfiltered
// one, whose clients know of no filter.
func (t *topic) endReasonFor(code int, reason, filter, view string) *endReason {
	if t.filtered() {
		return &endReason{code, reason, filter}
	}
	return &endReason{code, reason, view}
}

// endTopic ends a topic. closeEnded ends its subscriptions with the reason.
func (f *feeder) endTopic(t *topic, reason *endReason) {
	if t.removed {
		return
	}
	t.mu.Lock()
	t.endReason = reason
	t.mu.Unlock()
	f.remove(t)
	f.hub.metrics.filtersEnded.WithLabelValues(reason.label).Inc()
	f.hasEnded = true
}

// closeEnded ends the subscriptions of the topics that have ended since the last call.
func (f *feeder) closeEnded() {
	if !f.hasEnded {
		return
	}
	f.hasEnded = false
	for _, c := range f.hub.clients() { // client.start checks clients that are not listed yet
		c.closeIfEnded()
	}
}

// closeIfEnded ends the subscriptions of topics that have ended. If one of them is the subscription of the query, the
// client is closed. A reader that changes its topic is checked again after the change.
func (c *client) closeIfEnded() {
	c.mu.Lock()
	var ended *endReason // of the subscription of the query
	var released []*topic
	if c.closing == nil {
		for i := len(c.readers) - 1; i >= 0; i-- {
			r := c.readers[i]
			reason := r.topic.ended()
			switch {
			case reason == nil || r.switching:
			case r.id == "":
				ended = reason
			default:
				released = append(released, c.removeReader(i))
				c.queueNamed(r.id, errorMessage(reason))
				c.queueNamed(r.id, unsubscribedMessage())
			}
		}
		if len(released) > 0 {
			c.updatePresence()
		}
	}
	c.mu.Unlock()
	for _, t := range released {
		c.sink.hub.releaseTopic(t, c.address)
	}
	if len(released) > 0 {
		c.wake()
	}
	if ended == nil {
		return
	}
	if c.protocol {
		c.queueControl(controlFrame(errorMessage(ended)))
	}
	c.close(closeFrame(ended.code, ended.text), "filter", false)
}

// ended returns the reason why the topic has ended, nil if it has not.
func (t *topic) ended() *endReason {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.endReason
}
