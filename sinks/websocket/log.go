package websocket

import (
	"sync"
	"sync/atomic"
	"time"
)

// log holds the frames of all messages, or those of a topic, in order, as a linked list of chunks. One
// goroutine appends; any number of clients read. Published frames are immutable,
// so reading takes no lock; only waiting for the next message does.
type log struct {
	head, tail *chunk // only the appender; the history begins with head

	messages, bytes atomic.Uint64 // appended since the start

	compressed *atomic.Int64 // memory of the compressed frames of the history, in bytes; nil: no compression

	mu        sync.Mutex
	end       position  // where a new client begins
	idle      []*reader // readers that have every message and wait for the next
	idleSpare []*reader // the other half of a double buffer
}

func newLog() *log {
	c := newChunk(firstChunk)
	return &log{head: c, tail: c, end: position{chunk: c}}
}

// append adds a frame. Idle readers get it after publish. It returns where the frame is in the tail, and
// reports whether a chunk was completed.
func (l *log) append(opcode byte, payload []byte, now time.Time) (from, to int, rolled bool) {
	used, messages := l.tail.published()
	size := frameSize(len(payload))
	if used+size > len(l.tail.buf) {
		l.publish()
		l.addChunk(l.newChunk(max(min(2*len(l.tail.buf), chunkSize), size)))
		used, messages, rolled = 0, 0, true
	}
	appendFrame(l.tail.buf[:used], opcode, payload) // in place: it fits
	l.tail.written = now
	if z := l.tail.compressed; z != nil {
		z.largest.Store(max(z.largest.Load(), int64(len(payload)))) // before the frame is published
	}
	l.messages.Add(1)
	l.bytes.Add(uint64(size))
	l.tail.publish(used+size, messages+1)
	return used, used + size, rolled
}

// enableCompression makes the frames compressible. It is called before the first append.
func (l *log) enableCompression() {
	l.compressed = new(atomic.Int64)
	l.tail.compressed = newCompressedChunk(len(l.tail.buf), l.compressed)
}

func (l *log) newChunk(size int) *chunk {
	c := newChunk(size)
	if l.compressed != nil {
		c.compressed = newCompressedChunk(size, l.compressed)
	}
	return c
}

// addChunk appends a chunk.
func (l *log) addChunk(next *chunk) {
	next.messages, next.bytes, next.number = l.messages.Load(), l.bytes.Load(), l.tail.number+1
	l.tail.next.Store(next)
	l.tail = next
}

// trim removes chunks of the main log beyond the bounds of the history; at most one chunk more remains. It
// returns the number of messages before the history.
func (l *log) trim(h History, now time.Time) (before uint64) {
	for {
		next := l.head.next.Load()
		if next == nil {
			break
		}
		enough := l.messages.Load()-next.messages >= uint64(h.Events) || l.bytes.Load()-next.bytes+l.compressedBehind(l.head) >= uint64(h.Bytes)
		if !enough && now.Sub(l.head.written) <= h.Age.D() {
			break
		}
		l.head.compressed.leaveHistory()
		l.head = next // clients that have not read the old chunk keep it in memory
	}
	if now.Sub(l.head.written) > h.Age.D() { // the last chunk is too old as well
		return l.messages.Load()
	}
	return l.head.messages
}

// compressedBehind returns the memory of the compressed frames of the history behind its first chunk, in bytes.
func (l *log) compressedBehind(first *chunk) uint64 {
	if l.compressed == nil {
		return 0
	}
	return uint64(max(l.compressed.Load()-first.compressed.size(), 0))
}

// publish moves the position at which new clients begin to the end of the log, and wakes the clients of the
// idle readers.
func (l *log) publish() {
	bytes, messages := l.tail.published()
	l.mu.Lock()
	l.end = position{chunk: l.tail, chunkOffset: bytes, chunkIndex: messages, messages: l.messages.Load(), bytes: l.bytes.Load()}
	woken := l.idle
	l.idle, l.idleSpare = l.idleSpare[:0], woken
	for _, r := range woken {
		r.idleIndex.Store(0)
	}
	l.mu.Unlock()
	for _, r := range woken {
		r.client.wake()
	}
	clear(woken)
}

// endPosition returns the position at which a new client begins.
func (l *log) endPosition() position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// addIdle makes r, which is at p, wait for the next message. It does nothing if there are messages behind p.
func (l *log) addIdle(r *reader, p position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes, _ := p.chunk.published(); bytes > p.chunkOffset || p.chunk.next.Load() != nil {
		return
	}
	if !r.idle() {
		l.idle = append(l.idle, r)
		r.idleIndex.Store(int32(len(l.idle)))
	}
}

// removeIdle removes a reader from the idle readers.
func (l *log) removeIdle(r *reader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.idle() {
		return
	}
	last := len(l.idle) - 1
	moved := l.idle[last]
	l.idle[r.idleIndex.Load()-1] = moved
	moved.idleIndex.Store(r.idleIndex.Load())
	l.idle[last] = nil
	l.idle = l.idle[:last]
	r.idleIndex.Store(0)
}
