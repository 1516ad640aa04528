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

// endTopic ends a topic. closeEnded closes its clients with the reason.
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

// closeEnded closes the clients of all topics that have ended since the last call.
func (f *feeder) closeEnded() {
	if !f.hasEnded {
		return
	}
	f.hasEnded = false
	for _, c := range f.hub.clients() { // client.start checks clients that are not listed yet
		c.closeIfEnded()
	}
}

// closeIfEnded closes the client with the reason if its topic has ended.
func (c *client) closeIfEnded() {
	c.mu.Lock()
	t, closing := c.topic, c.closing != nil
	c.mu.Unlock()
	t.mu.Lock()
	reason := t.endReason
	t.mu.Unlock()
	if reason == nil || closing {
		return
	}
	if c.protocol {
		c.queueControl(controlFrame(errorMessage(reason)))
	}
	c.close(closeFrame(reason.code, reason.text), "filter", false)
}
