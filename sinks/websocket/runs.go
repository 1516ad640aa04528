package websocket

// output is what the goroutine of a client sends next, in this order.
type output struct {
	controls []byte
	skips    []*skip // of slow readers
	spans    []span  // of the logs, to be compressed, or sent with attributes; of a client that has asked for that
	frames   []byte  // of the logs
	buffer   *[]byte // that holds frames; nil: they are those of a log

	closing   []byte // close frame; nil: the client goes on
	drain     bool   // the logs are sent before the close frame
	switching bool   // a reader changes its topic, and has messages later
	readEnded bool
}

// span is a run of frames of a log, between two positions.
type span struct {
	begin, end position
	bytes      int
	name       []byte // frame that names their subscription; nil: the client knows it
	topic      *topic // whose log it is
	attributes bool   // messages with the attributes of the payloads are sent before them
}

// evicted reports whether the client gets no more messages, only its close frame.
func (o *output) evicted() bool { return o.closing != nil && !o.drain }

// takeOutput takes what is to be sent.
func (c *client) takeOutput() output {
	presence := c.takePresence()
	c.mu.Lock()
	c.runLocked = true
	o := output{controls: append(c.controls, presence...), closing: c.closing, drain: c.drain, readEnded: c.readEnded}
	c.controls, c.gapQueued = nil, false
	if !o.evicted() {
		if c.hasSkip {
			c.takeSkips(&o)
		}
		c.takeRuns(&o)
	}
	c.runLocked = false
	c.mu.Unlock()
	return o
}

// takeRuns takes frames for one write. Each reader has a turn, and gives a run of its frames that is little longer than
// a chunk at most. So a reader that is far behind does not delay the others by more than a write. It needs mu.
func (c *client) takeRuns(o *output) {
	n := len(c.readers)
	bytes := 0
	for range n {
		if c.turn >= n {
			c.turn = 0
		}
		r := c.readers[c.turn]
		c.turn++
		if r.switching {
			o.switching = true
			continue
		}
		if c.window > 0 || c.attributed {
			if s := r.takeSpan(); s.bytes > 0 {
				s.name, s.topic, s.attributes = c.nameRun(r.id), r.topic, r.attributes
				o.spans = append(o.spans, s)
				bytes += s.bytes
			}
		} else if frames, buffer := r.take(); frames != nil {
			o.add(frames, buffer, c.nameRun(r.id))
			bytes = len(o.frames)
		}
		if bytes >= chunkSize {
			return
		}
	}
}

// nameRun returns the frame that tells the client to which of its subscriptions the next messages belong, nil if it
// knows that.
func (c *client) nameRun(id string) []byte {
	if id == c.runID {
		return nil
	}
	c.runID = id
	return controlFrame(namedMessage(id, []byte(`{"type":"messages"}`)))
}

// add adds a run of frames, which is in a buffer of writeBuffers if that is not nil. A single run is not copied.
func (o *output) add(frames []byte, buffer *[]byte, name []byte) {
	if o.frames == nil && name == nil {
		o.frames, o.buffer = frames, buffer
		return
	}
	if o.buffer == nil {
		o.buffer = writeBuffers.Get().(*[]byte)
		o.frames = append((*o.buffer)[:0], o.frames...)
	}
	o.frames = append(append(o.frames, name...), frames...)
	*o.buffer = o.frames
	releaseBuffer(buffer)
}

// addSpans adds the frames of the spans, compressed for a client with a window. It needs no lock.
func (o *output) addSpans(h *hub, d *deflater, window int) {
	for i, s := range o.spans {
		var frames []byte
		var buffer *[]byte
		if s.attributes {
			frames, buffer = h.attributedFrames(s)
		} else {
			frames, buffer = d.frames(s.begin, s.end, window)
		}
		o.add(frames, buffer, s.name)
		o.spans[i] = span{}
	}
}
