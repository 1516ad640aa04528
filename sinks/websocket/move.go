package websocket

import "context"

// move is a reader that changes its topic. It sends nothing of a log meanwhile.
type move struct {
	reader       *reader
	old          *topic
	position     position // in the old topic, behind the messages that are sent or being sent
	subscription subscription
	from         resumePoint // given: the client continues behind the messages that it was sent, else it begins at the end
	attributes   bool        // the reader gets the attributes of its payloads
	joining      *joining
}

// pauseReaders pauses readers before a move. They still have their old subscriptions.
func (c *client) pauseReaders(choose func(*reader) bool) (moves []move) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.readers {
		if choose(r) {
			r.switching = true
			moves = append(moves, move{reader: r, old: r.topic, position: r.position, subscription: r.topic.subscription, attributes: r.attributes})
		}
	}
	return moves
}

// move moves paused readers to other topics: all of them, or on an error none. Then they go on.
func (c *client) move(ctx context.Context, moves []move) error {
	defer c.resumeReaders(moves)
	h := c.sink.hub
	for i := range moves {
		m := &moves[i]
		if m.position.chunk == nil { // the client is being closed
			abandonMoves(h, moves)
			return nil
		}
		if m.from.given && m.from.named == "" {
			m.from = resumePoint{given: true, continues: true, offset: h.sentOffset(m.old, m.position)}
		}
		m.joining = h.beginJoin(c.address, m.subscription, m.from)
	}
	for i := range moves {
		if err := h.awaitJoin(ctx, moves[i].joining); err != nil {
			moves[i].joining = nil
			abandonMoves(h, moves)
			return err
		}
	}
	c.commit(moves)
	for _, m := range moves {
		h.releaseTopic(m.old, c.address)
	}
	return nil
}

// abandonMoves ends the joins of moves.
func abandonMoves(h *hub, moves []move) {
	for _, m := range moves {
		if m.joining != nil {
			h.abandonJoin(m.joining)
		}
	}
}

// commit makes the readers continue in the topics that they have joined.
func (c *client) commit(moves []move) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range moves {
		r, at := m.reader, m.joining.at
		r.begin(m.joining.topic, at.position)
		r.attributes, c.attributed = m.attributes, c.attributed || m.attributes
		if c.closing != nil && !c.drain {
			r.position = position{} // see releaseLog
		}
		if r.skip != nil { // the client begins behind the messages of the skip
			if m.old.rights.id != m.subscription.rights.id {
				c.sink.metrics.skipped.Add(float64(r.skip.forget()))
			}
			r.skip.end = controlFrame(namedMessage(r.id, subscribedMessage(at)))
			continue
		}
		c.queueNamed(r.id, subscribedMessage(at))
	}
}

// resumeReaders lets readers send their logs again.
func (c *client) resumeReaders(moves []move) {
	c.mu.Lock()
	for _, m := range moves {
		m.reader.switching = false
	}
	c.mu.Unlock()
	c.wake()
}
