package websocket

// chunkBytes is the memory of a chunk of a topic's log without its frames, in bytes.
const chunkBytes = 128

// topicLog is the log of a topic. It copies no frame of the main log: a chunk is a part of a chunk of the main log, and
// messages that are adjacent there are one chunk. Leave messages and position messages have chunks of their own. When the
// tail is older than the history, an empty chunk follows, so that idle clients keep no older frames in memory.
//
// messages and bytes begin with those of the main log when the topic is created, and the numbers of chunks with those
// of its messages. So older messages, which are inserted before the head, have numbers as well.
type topicLog struct {
	log
	bytesHeld int    // memory of the chunks from head on, without frames of the main log; only the appender
	main      *chunk // chunk of the main log of which the tail is a part, else nil
	mainEnd   int    // end of the tail in this chunk
}

// newTopicLog returns an empty log. messages and bytes are those of the main log.
func newTopicLog(messages, bytes uint64) *topicLog {
	c := &chunk{messages: messages, bytes: bytes, number: messages}
	l := &topicLog{log: log{head: c, tail: c, end: position{chunk: c, messages: messages, bytes: bytes}}}
	l.messages.Store(messages)
	l.bytes.Store(bytes)
	return l
}

// append adds the message of an event with an offset. Idle clients get it after publish.
func (l *topicLog) append(offset uint64, m match, p *storedEvent) {
	if m.kind == matchLeave {
		row := m.row
		if row == nil {
			row = p.Data
		}
		l.appendOwn(controlFrame(leaveMessage(row)), offset, p.bytesBefore, false)
		return
	}
	used, messages := l.tail.published()
	if used > 0 && (l.main != p.chunk || l.mainEnd != p.from) {
		l.addChunk(&chunk{})
		used, messages = 0, 0
	}
	if used == 0 {
		l.tail.buf, l.tail.offset, l.tail.bytesBefore = p.chunk.buf[p.from:], offset, p.bytesBefore
		l.tail.compressed, l.tail.mainOffset = p.chunk.compressed, p.from
		l.bytesHeld += chunkBytes
	}
	l.main, l.mainEnd = p.chunk, p.to
	l.count(used, messages, p.to-p.from)
}

// appendOwn adds a frame that the main log does not have.
func (l *topicLog) appendOwn(frame []byte, offset, bytesBefore uint64, isPosition bool) {
	if used, _ := l.tail.published(); used > 0 {
		l.addChunk(&chunk{})
	}
	t := l.tail
	t.buf, t.offset, t.bytesBefore, t.own, t.isPosition = frame, offset, bytesBefore, true, isPosition
	l.bytesHeld += chunkBytes + len(frame)
	l.main = nil
	l.count(0, 0, len(frame))
}

// count publishes one more message of the tail.
func (l *topicLog) count(used, messages, size int) {
	l.messages.Add(1)
	l.bytes.Add(uint64(size))
	l.tail.publish(used+size, messages+1)
}

// seal makes the idle clients wait behind an empty chunk, so that the tail may be removed.
func (l *topicLog) seal() {
	l.addChunk(&chunk{})
	l.main = nil
	l.publish()
}

// insert inserts the messages of another log before the head. Its number of messages and bytes are those before
// insert; the other log begins that much earlier.
func (l *topicLog) insert(older *topicLog) {
	if used, _ := older.tail.published(); used == 0 && older.head == older.tail {
		return
	}
	messages, bytes, chunks := older.messages.Load(), older.bytes.Load(), older.tail.number+1
	last := older.head
	for c := older.head; c != nil; c = c.next.Load() {
		c.messages, c.bytes, c.number = l.head.messages-(messages-c.messages), l.head.bytes-(bytes-c.bytes), l.head.number-(chunks-c.number)
		last = c
	}
	last.next.Store(l.head)
	l.head = older.head
	l.bytesHeld += older.bytesHeld
}

// trimChunk removes the first chunk, and returns the offset of its last message. ok is false if it is the tail.
func (l *topicLog) trimChunk() (offset uint64, ok bool) {
	c := l.head
	if c == l.tail {
		return 0, false
	}
	if used, _ := c.published(); used > 0 {
		offset = c.lastOffset()
		l.bytesHeld -= chunkBytes
		if c.own {
			l.bytesHeld -= len(c.buf)
		}
	}
	l.head = c.next.Load() // clients that have not read the old chunk keep it in memory
	return offset, true
}

// lastOffset returns the offset of the last message of a chunk that has one.
func (c *chunk) lastOffset() uint64 {
	_, messages := c.published()
	return c.offset + uint64(messages) - 1
}

// locate returns the position behind the message with an offset and behind seen more messages, and the offset of the
// last of them. It reports false if the log has fewer messages.
func (l *topicLog) locate(offset, seen uint64) (p position, has uint64, ok bool) {
	p, has = position{chunk: l.head, messages: l.head.messages, bytes: l.head.bytes}, offset
	for p.skipRead() {
		c := p.chunk
		at := c.offset + uint64(p.chunkIndex)
		switch {
		case p.chunkIndex == 0 && c.lastOffset() <= offset: // the whole chunk
			p.chunkOffset, p.chunkIndex = c.published()
			p.messages, p.bytes = c.messages+uint64(p.chunkIndex), c.bytes+uint64(p.chunkOffset)
			continue
		case at <= offset:
		case seen == 0:
			return p, has, true
		case !c.isPosition:
			seen--
			has = at
		}
		p.skipFrame()
	}
	return p, has, seen == 0
}
