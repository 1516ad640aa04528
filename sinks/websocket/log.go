package websocket

import (
	"sync"
	"sync/atomic"
)

// chunkSize is how many bytes of frames a chunk of the log holds: enough that a
// client far behind needs few writes, and little to keep when nothing happens.
const chunkSize = 64 << 10

// log is the frames of all messages, in order, as a linked list of chunks. One
// goroutine appends; any number of clients read. What is published is immutable,
// so reading needs no lock; waiting for more does.
type log struct {
	tail *chunk // only the appender

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
}

// position is a place between two messages, and how many came before it.
type position struct {
	at              *chunk
	offset, index   int // bytes and messages of at before it
	messages, bytes uint64
}

func newChunk(size int) *chunk { return &chunk{buf: make([]byte, size)} }

func (c *chunk) published() (bytes, messages int) {
	f := c.filled.Load()
	return int(f >> 16), int(f & 0xffff)
}

func newLog() *log {
	c := newChunk(chunkSize)
	return &log{tail: c, end: position{at: c}}
}

// append adds a frame; it is seen after publish. It returns whether a chunk was
// completed.
func (l *log) append(opcode byte, payload []byte) (rolled bool) {
	used, messages := l.tail.published()
	size := frameSize(len(payload))
	if used+size > len(l.tail.buf) {
		l.publish()
		next := newChunk(max(chunkSize, size))
		l.tail.next.Store(next)
		l.tail, used, messages, rolled = next, 0, 0, true
	}
	appendFrame(l.tail.buf[:used], opcode, payload) // in place: it fits
	l.messages.Add(1)
	l.bytes.Add(uint64(size))
	l.tail.filled.Store(uint64(used+size)<<16 | uint64(messages+1))
	return rolled
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
