package websocket

import (
	"sync"
	"sync/atomic"
	"time"
)

// Bytes of frames that a chunk of the main log holds. Large chunks mean few writes to a client with
// a large lag; the log begins with a small chunk, and doubles the size, to save memory where
// few messages come.
const (
	firstChunk = 4 << 10
	chunkSize  = 64 << 10
)

// chunk is a piece of a log. Frames never span chunks. In the main log, a frame larger than chunkSize
// has a chunk of its own. In the log of a topic, a chunk is a part of a chunk of the main log, or one
// frame that only this topic has: see topiclog.go.
type chunk struct {
	buf []byte // only the appender uses the bytes beyond the published ones
	// filled holds the published bytes (<<16) and messages of this chunk, in one
	// word, so that readers get a consistent pair. A frame has at least 2 bytes, so
	// a chunk has at most 32,768 messages.
	filled atomic.Uint64
	next   atomic.Pointer[chunk] // set when this chunk is complete

	messages, bytes uint64    // of the log before this chunk
	written         time.Time // of the last append; only the appender of the main log

	number     uint64           // of this chunk, in order
	compressed *compressedChunk // of the main log, also in the logs of topics; nil: none

	// In the log of a topic; set before the first message is published.
	offset      uint64 // of the first message in the main log; of a position message, the one that it states
	bytesBefore uint64 // of the main log before the first message
	mainOffset  int    // of buf in the chunk of the main log
	own         bool   // it is one frame that only this topic has
	isPosition  bool   // this frame is a position message
}

func newChunk(size int) *chunk { return &chunk{buf: make([]byte, size)} }

// published returns the bytes and messages that clients may read.
func (c *chunk) published() (bytes, messages int) {
	f := c.filled.Load()
	return int(f >> 16), int(f & 0xffff)
}

// publish makes bytes and messages of the chunk readable.
func (c *chunk) publish(bytes, messages int) { c.filled.Store(uint64(bytes)<<16 | uint64(messages)) }

// position is a place between two messages of a log, with the number of messages and bytes
// before it.
type position struct {
	chunk                   *chunk
	chunkOffset, chunkIndex int    // bytes and messages of chunk before it
	messages, bytes         uint64 // of the log before it
}

// skipRead moves the position to the next chunk while its own has no message behind it. It reports
// whether there is a message behind the position.
func (p *position) skipRead() bool {
	for {
		// next is loaded before the counts: once it is set, the counts are final.
		following := p.chunk.next.Load()
		if bytes, _ := p.chunk.published(); bytes > p.chunkOffset {
			return true
		}
		if following == nil {
			return false
		}
		*p = position{chunk: following, messages: p.messages, bytes: p.bytes}
	}
}

// unread returns the frames behind p that are contiguous in memory, and the position behind
// them. At the end of the log it returns nil.
func (p *position) unread() ([]byte, position) {
	if !p.skipRead() {
		return nil, *p
	}
	bytes, messages := p.chunk.published()
	q := position{
		chunk: p.chunk, chunkOffset: bytes, chunkIndex: messages,
		messages: p.messages + uint64(messages-p.chunkIndex), bytes: p.bytes + uint64(bytes-p.chunkOffset),
	}
	return p.chunk.buf[p.chunkOffset:bytes:bytes], q
}

// writeBuffers are buffers for the frames of one write.
var writeBuffers = sync.Pool{New: func() any { return new([]byte) }}

// gather returns the frames behind p for one write, and the position behind them. It copies frames that
// are not contiguous to a buffer of writeBuffers, and returns this buffer, else nil. At the end of the log it returns
// no frames.
func (p *position) gather() (frames []byte, q position, buffer *[]byte) {
	frames, q = p.unread()
	for frames != nil && len(frames) < chunkSize/2 {
		more, after := q.unread()
		if more == nil {
			break
		}
		if buffer == nil {
			buffer = writeBuffers.Get().(*[]byte)
			frames = append((*buffer)[:0], frames...)
		}
		frames, q = append(frames, more...), after
	}
	if buffer != nil {
		*buffer = frames
	}
	return frames, q, buffer
}

// skipRun returns the number of bytes of the frames behind p for one write, as many as of gather, and the position behind them.
func (p *position) skipRun() (n int, q position) {
	frames, q := p.unread()
	for n = len(frames); n > 0 && n < chunkSize/2; {
		more, after := q.unread()
		if more == nil {
			break
		}
		n, q = n+len(more), after
	}
	return n, q
}

// releaseBuffer returns a buffer of gather to writeBuffers, unless it is too large.
func releaseBuffer(buffer *[]byte) {
	if buffer != nil && cap(*buffer) <= 2*chunkSize {
		writeBuffers.Put(buffer)
	}
}

// seek returns the position behind a number of messages of the main log. It must not be before
// the history.
func (l *log) seek(messages uint64) position {
	c := l.head
	for next := c.next.Load(); next != nil && next.messages <= messages; next = c.next.Load() {
		c = next
	}
	p := position{chunk: c, messages: c.messages, bytes: c.bytes}
	for p.messages < messages {
		p.skipFrame()
	}
	return p
}

// skipFrame moves the position behind the next frame of its chunk.
func (p *position) skipFrame() {
	_, _, size := frameAt(p.chunk.buf[p.chunkOffset:])
	p.chunkOffset += size
	p.bytes += uint64(size)
	p.chunkIndex++
	p.messages++
}
