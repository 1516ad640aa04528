package websocket

import (
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
	written         time.Time // when something was appended; only the appender
}

func newChunk(size int) *chunk { return &chunk{buf: make([]byte, size)} }

func (c *chunk) published() (bytes, messages int) {
	f := c.filled.Load()
	return int(f >> 16), int(f & 0xffff)
}

// position is a place between two messages, and how many came before it.
type position struct {
	chunk                   *chunk
	chunkOffset, chunkIndex int // bytes and messages of at before it
	messages, bytes         uint64
}

// withoutChunk returns the position without its place in the log, which would keep the log.
func (p position) withoutChunk() position { return position{messages: p.messages, bytes: p.bytes} }

// unread returns the frames from p on, as many as lie in one piece, and the
// position behind them; nil where p is at the end.
func (p *position) unread() ([]byte, position) {
	for {
		// next is read first: once it is set, the chunk's counts are final.
		following := p.chunk.next.Load()
		bytes, messages := p.chunk.published()
		if bytes > p.chunkOffset {
			q := position{
				chunk: p.chunk, chunkOffset: bytes, chunkIndex: messages,
				messages: p.messages + uint64(messages-p.chunkIndex), bytes: p.bytes + uint64(bytes-p.chunkOffset),
			}
			return p.chunk.buf[p.chunkOffset:bytes:bytes], q
		}
		if following == nil {
			return nil, *p
		}
		*p = position{chunk: following, messages: p.messages, bytes: p.bytes}
	}
}

// seek returns the position behind so many messages of the log, which must not be before
// the history.
func (l *log) seek(messages uint64) position {
	c := l.head
	for next := c.next.Load(); next != nil && next.messages <= messages; next = c.next.Load() {
		c = next
	}
	p := position{chunk: c, messages: c.messages, bytes: c.bytes}
	for p.messages < messages {
		_, _, size := frameAt(c.buf[p.chunkOffset:])
		p.chunkOffset += size
		p.bytes += uint64(size)
		p.chunkIndex++
		p.messages++
	}
	return p
}
