package websocket

import (
	"sync/atomic"
	"time"
)

// Bytes of frames that a chunk of the log holds. Large chunks mean few writes to a client with
// a large lag; a log begins with a small chunk, and doubles the size, to save memory where
// few messages come.
const (
	firstChunk = 4 << 10
	chunkSize  = 64 << 10
)

// chunk is a piece of the log. Frames never span chunks; a frame larger than
// chunkSize has a chunk of its own.
type chunk struct {
	buf []byte // only the appender uses the bytes beyond the published ones
	// filled holds the published bytes (<<16) and messages of this chunk, in one
	// word, so that readers get a consistent pair. A frame has at least 2 bytes, so
	// a chunk has at most 32,768 messages.
	filled atomic.Uint64
	next   atomic.Pointer[chunk] // set when this chunk is complete

	messages, bytes uint64    // of the log before this chunk
	shared          bool      // buf is a frame of another log
	written         time.Time // of the last append; only the appender
}

func newChunk(size int) *chunk { return &chunk{buf: make([]byte, size)} }

// published returns the bytes and messages that clients may read.
func (c *chunk) published() (bytes, messages int) {
	f := c.filled.Load()
	return int(f >> 16), int(f & 0xffff)
}

// position is a place between two messages of a log, with the number of messages and bytes
// before it.
type position struct {
	chunk                   *chunk
	chunkOffset, chunkIndex int    // bytes and messages of chunk before it
	messages, bytes         uint64 // of the log before it
}

// withoutChunk returns only the counts of the position. The chunk would keep the log in memory.
func (p position) withoutChunk() position { return position{messages: p.messages, bytes: p.bytes} }

// unread returns the frames behind p that are contiguous in memory, and the position behind
// them. At the end of the log it returns nil.
func (p *position) unread() ([]byte, position) {
	for {
		// next is loaded before the counts: once it is set, the counts are final.
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

// seek returns the position behind a number of messages of the log. It must not be before
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
