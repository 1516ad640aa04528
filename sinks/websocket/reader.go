package websocket

import "sync/atomic"

// reader is one subscription of a client: a position in the log of its topic. A client has one, or several with an id
// each. client.mu guards it, except for idleIndex.
type reader struct {
	client    *client
	id        string       // by which the client names the subscription; "" is that of the query
	idleIndex atomic.Int32 // index in the idle readers of the topic's log, from 1; 0: not idle; set under the log's lock

	topic                   *topic   // nil: the client has no such subscription any more
	position                position // in the topic's log, behind the messages that are sent or being sent
	sentMessages, sentBytes uint64   // of the log, up to the messages that are sent
	writing                 uint64   // bytes of the main log up to the first message that is being sent; 0: none, or it is not known
	inWrite                 bool     // the position is that behind the messages that are being sent
	switching               bool     // to another topic: send nothing of the log meanwhile
	attributes              bool     // the client gets the attributes of the payloads before them
	watches                 bool     // the client gets presence messages about the channels
	skip                    *skip    // to send before the messages of the log; nil: none
}

// begin makes the reader continue in a topic that it has joined.
func (r *reader) begin(t *topic, at position) {
	r.leaveIdle()
	r.topic = t
	r.moveTo(at)
}

// moveTo makes the reader continue at a position of its topic. All before it counts as sent.
func (r *reader) moveTo(p position) {
	r.position, r.sentMessages, r.sentBytes, r.inWrite = p, p.messages, p.bytes, false
}

// idle reports whether the reader has every message of its topic, and waits for the next.
func (r *reader) idle() bool { return r.idleIndex.Load() != 0 }

// leaveIdle removes the reader from the idle readers of its log.
func (r *reader) leaveIdle() {
	if r.idle() {
		r.topic.log.removeIdle(r)
	}
}

// take returns the frames behind the position for one write, and a buffer as position.gather does. Without frames the
// reader is idle.
func (r *reader) take() (frames []byte, buffer *[]byte) {
	for !r.idle() {
		r.writing = r.firstUnsent()
		if frames, r.position, buffer = r.position.gather(); frames != nil {
			r.inWrite = true
			return frames, buffer
		}
		r.topic.log.addIdle(r, r.position)
	}
	return nil, nil
}

// takeSpan is take for a client that gets compressed frames: it only returns where they are. Without frames the span is empty.
func (r *reader) takeSpan() span {
	for !r.idle() {
		r.writing = r.firstUnsent()
		if n, end := r.position.skipRun(); n > 0 {
			s := span{begin: r.position, end: end, bytes: n}
			r.position, r.inWrite = end, true
			return s
		}
		r.topic.log.addIdle(r, r.position)
	}
	return span{}
}

// noteSent records that the messages of a write are sent.
func (r *reader) noteSent() {
	if r.inWrite && r.position.chunk != nil {
		r.sentMessages, r.sentBytes = r.position.messages, r.position.bytes
	}
	r.inWrite, r.writing = false, 0
}

// lag is what a reader was not sent of its topic.
type lag struct {
	messages, bytes uint64
	// since is the number of bytes of the main log up to the first message that was not sent. 0: there is none.
	since  uint64
	chunks uint64 // of the log that hold these messages
}

// lag returns the lag of the reader.
func (r *reader) lag() (l lag) {
	log := r.topic.log
	l = lag{messages: log.messages.Load() - r.sentMessages, bytes: log.bytes.Load() - r.sentBytes, since: r.writing}
	if l.since == 0 {
		l.since = r.firstUnsent()
	}
	if r.position.chunk != nil {
		l.chunks = log.endPosition().chunk.number - r.position.chunk.number
	}
	return l
}

// firstUnsent returns the number of bytes of the main log up to the message behind the position. It returns 0 if there
// is none, and for readers of the main topic, whose position has the number.
func (r *reader) firstUnsent() uint64 {
	p := r.position
	if r.topic.feeder == nil || p.chunk == nil || !p.skipRead() {
		return 0
	}
	return p.chunk.bytesBefore + uint64(p.chunkOffset)
}
