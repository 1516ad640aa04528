package websocket

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// Bytes of frames that a chunk of the log holds: enough that a client far behind needs
// few writes, and little to keep where little happens. A log begins with a small one, and
// each is larger than the one before.
const (
	firstChunk = 4 << 10
	chunkSize  = 64 << 10
)

// log is the frames of all messages, in order, as a linked list of chunks. One
// goroutine appends; any number of clients read. What is published is immutable,
// so reading needs no lock; waiting for more does.
type log struct {
	head, tail *chunk // only the appender: the history begins with head

	kept int // bytes of chunks from head on, but for those of another log; only the appender

	messages, bytes atomic.Uint64 // published in all

	mu     sync.Mutex
	end    position  // where a new client begins
	parked []*client // have everything and wait for more
	spare  []*client
}

// chunk is a piece of the log. Frames never span chunks; a frame larger than
// chunkSize has one of its own.
type chunk struct {
	buf []byte // its bytes beyond the published ones are the appender's
	// filled holds the published bytes (<<16) and messages of this chunk. One
	// word, so that readers see both of the same moment; a frame has at least 2
	// bytes, so 32,768 fit at most.
	filled atomic.Uint64
	next   atomic.Pointer[chunk] // set once this one is complete

	messages, bytes uint64    // of the log before this chunk
	shared          bool      // buf is a frame of another log
	last            time.Time // when something was appended; only the appender
}

// position is a place between two messages, and how many came before it.
type position struct {
	at              *chunk
	offset, index   int // bytes and messages of at before it
	messages, bytes uint64
}

// counts returns the position without its place in the log, which would keep the log.
func (p position) counts() position { return position{messages: p.messages, bytes: p.bytes} }

func newChunk(size int) *chunk { return &chunk{buf: make([]byte, size)} }

func (c *chunk) published() (bytes, messages int) {
	f := c.filled.Load()
	return int(f >> 16), int(f & 0xffff)
}

func newLog() *log {
	c := newChunk(firstChunk)
	return &log{head: c, tail: c, kept: firstChunk, end: position{at: c}}
}

// append adds a frame; it is seen after publish. It returns where the payload stands
// now, and whether a chunk was completed.
func (l *log) append(opcode byte, payload []byte, now time.Time) (stored []byte, rolled bool) {
	used, messages := l.tail.published()
	size := frameSize(len(payload))
	if used+size > len(l.tail.buf) {
		l.extend(newChunk(max(min(2*len(l.tail.buf), chunkSize), size)))
		used, messages, rolled = 0, 0, true
	}
	appendFrame(l.tail.buf[:used], opcode, payload) // in place: it fits
	l.tail.last = now
	l.messages.Add(1)
	l.bytes.Add(uint64(size))
	l.tail.filled.Store(uint64(used+size)<<16 | uint64(messages+1))
	end := used + size
	return l.tail.buf[end-len(payload) : end : end], rolled
}

// extend makes next the last chunk.
func (l *log) extend(next *chunk) {
	l.publish()
	next.messages, next.bytes = l.messages.Load(), l.bytes.Load()
	l.tail.next.Store(next)
	l.tail = next
	if !next.shared {
		l.kept += len(next.buf)
	}
}

// whole returns the last frame, where it has a chunk of its own; else nil.
func (l *log) whole() []byte {
	if len(l.tail.buf) <= chunkSize {
		return nil
	}
	return l.tail.buf
}

// share appends a frame that is a whole chunk of another log, without a copy.
func (l *log) share(frame []byte, now time.Time) {
	l.extend(&chunk{buf: frame, shared: true, last: now})
	l.messages.Add(1)
	l.bytes.Add(uint64(len(frame)))
	l.tail.filled.Store(uint64(len(frame))<<16 | 1)
}

// evict shortens the history to what a bound asks for, and at most a chunk more. It
// returns how many messages are before it.
func (l *log) evict(h History, now time.Time) (before uint64) {
	for {
		next := l.head.next.Load()
		if next == nil {
			break
		}
		enough := l.messages.Load()-next.messages >= uint64(h.Events) || l.bytes.Load()-next.bytes >= uint64(h.Bytes)
		if !enough && now.Sub(l.head.last) <= h.Age.D() {
			break
		}
		l.drop()
	}
	if now.Sub(l.head.last) > h.Age.D() { // the last chunk, too, is too old
		return l.messages.Load()
	}
	return l.head.messages
}

// drop takes the first chunk from the history. It returns false where that is the last.
func (l *log) drop() bool {
	next := l.head.next.Load()
	if next == nil {
		return false
	}
	if !l.head.shared {
		l.kept -= len(l.head.buf)
	}
	l.head = next // what is before it is kept by clients that still need it
	return true
}

// seek returns the position behind so many messages of the log, which must not be before
// the history.
func (l *log) seek(messages uint64) position {
	c := l.head
	for next := c.next.Load(); next != nil && next.messages <= messages; next = c.next.Load() {
		c = next
	}
	p := position{at: c, messages: c.messages, bytes: c.bytes}
	for p.messages < messages {
		_, _, size := frameAt(c.buf[p.offset:])
		p.offset += size
		p.bytes += uint64(size)
		p.index++
		p.messages++
	}
	return p
}

// frameAt reads the frame that b begins with: one of a server's, as appendFrame writes it.
func frameAt(b []byte) (opcode byte, payload []byte, size int) {
	n, header := int(b[1]), 2
	switch n {
	case 126:
		n, header = int(binary.BigEndian.Uint16(b[2:])), 4
	case 127:
		n, header = int(binary.BigEndian.Uint64(b[2:])), 10
	}
	return b[0] & 0xf, b[header : header+n], header + n
}

// publish lets new clients begin behind what was appended, and wakes the
// clients that wait for it.
func (l *log) publish() {
	bytes, messages := l.tail.published()
	l.mu.Lock()
	l.end = position{at: l.tail, offset: bytes, index: messages, messages: l.messages.Load(), bytes: l.bytes.Load()}
	woken := l.parked
	l.parked, l.spare = l.spare[:0], woken
	for _, c := range woken {
		c.parkedAt = 0
	}
	l.mu.Unlock()
	for _, c := range woken {
		c.wake()
	}
	clear(woken)
}

// start returns where a new client begins.
func (l *log) start() position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// park notes that c, which is at p, waits for more. It returns false where there
// is more already.
func (l *log) park(c *client, p position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes, _ := p.at.published(); bytes > p.offset || p.at.next.Load() != nil {
		return false
	}
	if c.parkedAt == 0 {
		l.parked = append(l.parked, c)
		c.parkedAt = len(l.parked)
	}
	return true
}

// forget takes a client that has gone off the list of those who wait.
func (l *log) forget(c *client) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.parkedAt == 0 {
		return
	}
	last := len(l.parked) - 1
	moved := l.parked[last]
	l.parked[c.parkedAt-1], moved.parkedAt = moved, c.parkedAt
	l.parked[last] = nil
	l.parked, c.parkedAt = l.parked[:last], 0
}

// next returns the frames from p on, as many as lie in one piece, and the
// position behind them; nil where p is at the end.
func (p *position) next() ([]byte, position) {
	for {
		// next is read first: once it is set, the chunk's counts are final.
		following := p.at.next.Load()
		bytes, messages := p.at.published()
		if bytes > p.offset {
			q := position{
				at: p.at, offset: bytes, index: messages,
				messages: p.messages + uint64(messages-p.index), bytes: p.bytes + uint64(bytes-p.offset),
			}
			return p.at.buf[p.offset:bytes:bytes], q
		}
		if following == nil {
			return nil, *p
		}
		*p = position{at: following, messages: p.messages, bytes: p.bytes}
	}
}
