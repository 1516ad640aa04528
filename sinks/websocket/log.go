package websocket

import (
	"sync"
	"sync/atomic"
	"time"
)

// log is the frames of all messages, in order, as a linked list of chunks. One
// goroutine appends; any number of clients read. What is published is immutable,
// so reading needs no lock; waiting for more does.
type log struct {
	head, tail *chunk // only the appender: the history begins with head

	size int // bytes of chunks from head on, but for those of another log; only the appender

	messages, bytes atomic.Uint64 // published in all

	mu        sync.Mutex
	end       position  // where a new client begins
	idle      []*client // have everything and wait for more
	idleSpare []*client
}

func newLog() *log {
	c := newChunk(firstChunk)
	return &log{head: c, tail: c, size: firstChunk, end: position{chunk: c}}
}

// append adds a frame; it is seen after publish. It returns where the payload stands
// now, and whether a chunk was completed.
func (l *log) append(opcode byte, payload []byte, now time.Time) (stored []byte, rolled bool) {
	used, messages := l.tail.published()
	size := frameSize(len(payload))
	if used+size > len(l.tail.buf) {
		l.addChunk(newChunk(max(min(2*len(l.tail.buf), chunkSize), size)))
		used, messages, rolled = 0, 0, true
	}
	appendFrame(l.tail.buf[:used], opcode, payload) // in place: it fits
	l.tail.written = now
	l.messages.Add(1)
	l.bytes.Add(uint64(size))
	l.tail.filled.Store(uint64(used+size)<<16 | uint64(messages+1))
	end := used + size
	return l.tail.buf[end-len(payload) : end : end], rolled
}

// addChunk makes next the last chunk.
func (l *log) addChunk(next *chunk) {
	l.publish()
	next.messages, next.bytes = l.messages.Load(), l.bytes.Load()
	l.tail.next.Store(next)
	l.tail = next
	if !next.shared {
		l.size += len(next.buf)
	}
}

// largeFrame returns the last frame, where it has a chunk of its own; else nil.
func (l *log) largeFrame() []byte {
	if len(l.tail.buf) <= chunkSize {
		return nil
	}
	return l.tail.buf
}

// appendShared appends a frame that is a whole chunk of another log, without a copy.
func (l *log) appendShared(frame []byte, now time.Time) {
	l.addChunk(&chunk{buf: frame, shared: true, written: now})
	l.messages.Add(1)
	l.bytes.Add(uint64(len(frame)))
	l.tail.filled.Store(uint64(len(frame))<<16 | 1)
}

// trim shortens the history to what a bound asks for, and at most a chunk more. It
// returns how many messages are before it.
func (l *log) trim(h History, now time.Time) (before uint64) {
	for {
		next := l.head.next.Load()
		if next == nil {
			break
		}
		enough := l.messages.Load()-next.messages >= uint64(h.Events) || l.bytes.Load()-next.bytes >= uint64(h.Bytes)
		if !enough && now.Sub(l.head.written) <= h.Age.D() {
			break
		}
		l.trimChunk()
	}
	if now.Sub(l.head.written) > h.Age.D() { // the last chunk, too, is too old
		return l.messages.Load()
	}
	return l.head.messages
}

// trimChunk takes the first chunk from the history. It returns false where that is the last.
func (l *log) trimChunk() bool {
	next := l.head.next.Load()
	if next == nil {
		return false
	}
	if !l.head.shared {
		l.size -= len(l.head.buf)
	}
	l.head = next // what is before it is kept by clients that still need it
	return true
}

// publish lets new clients begin behind what was appended, and wakes the
// clients that wait for it.
func (l *log) publish() {
	bytes, messages := l.tail.published()
	l.mu.Lock()
	l.end = position{chunk: l.tail, chunkOffset: bytes, chunkIndex: messages, messages: l.messages.Load(), bytes: l.bytes.Load()}
	woken := l.idle
	l.idle, l.idleSpare = l.idleSpare[:0], woken
	for _, c := range woken {
		c.idleIndex = 0
	}
	l.mu.Unlock()
	for _, c := range woken {
		c.wake()
	}
	clear(woken)
}

// endPosition returns where a new client begins.
func (l *log) endPosition() position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// addIdle notes that c, which is at p, waits for more. It returns false where there
// is more already.
func (l *log) addIdle(c *client, p position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes, _ := p.chunk.published(); bytes > p.chunkOffset || p.chunk.next.Load() != nil {
		return false
	}
	if c.idleIndex == 0 {
		l.idle = append(l.idle, c)
		c.idleIndex = len(l.idle)
	}
	return true
}

// removeIdle takes a client that has gone off the list of those who wait.
func (l *log) removeIdle(c *client) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.idleIndex == 0 {
		return
	}
	last := len(l.idle) - 1
	moved := l.idle[last]
	l.idle[c.idleIndex-1], moved.idleIndex = moved, c.idleIndex
	l.idle[last] = nil
	l.idle, c.idleIndex = l.idle[:last], 0
}
