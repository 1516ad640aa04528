package websocket

import (
	"sync"
	"sync/atomic"
)

// placeBytes is the number of bytes of a chunk that share a place. Payloads that are compressed have at least as many bytes,
// so two of their frames never begin in the same place.
const placeBytes = 64

// compressedChunk holds the compressed frames of a chunk of the main log. The chunks of topics that are parts of this chunk
// share it. The first client that needs a frame compresses it. A chunk from which no such client reads has none.
//
// It does not refer to its chunk: a topic would keep the main log behind that chunk in memory.
type compressedChunk struct {
	chunkSize int           // in bytes
	held      *atomic.Int64 // memory of all compressedChunks of the history, in bytes

	largest atomic.Int64 // payload, in bytes; only the appender stores it

	compressing sync.Mutex // held while frames are compressed; reading needs no lock
	content     atomic.Pointer[compressedFrames]

	mu     sync.Mutex // guards what follows; held briefly, also under hub.mu
	memory int64      // in bytes
	old    bool       // beyond the history: held does not count it
}

// compressedFrames is immutable, except for zero places.
type compressedFrames struct {
	places []atomic.Uint32 // by offset of the frame in the chunk; 0: not compressed yet
	buf    []byte          // the frames, behind one unused byte
}

// placeLarger is the place of a frame that compression does not make smaller.
const placeLarger = 1<<32 - 1

func newCompressedChunk(size int, held *atomic.Int64) *compressedChunk {
	return &compressedChunk{chunkSize: size, held: held}
}

// gather adds frames to g, compressed where that makes them smaller. raw are the frames, from an offset in the chunk of
// the main log on.
func (s *compressedChunk) gather(d *deflater, raw []byte, offset, window int, g *gathering) {
	if s.largest.Load() < int64(d.minBytes) { // most chunks of small messages
		g.add(raw)
		return
	}
	c := s.content.Load()
	for begin := 0; begin < len(raw); {
		_, payload, size := frameAt(raw[begin:])
		frame := raw[begin : begin+size]
		if d.shrinks(payload, window) {
			if c == nil || c.places[(offset+begin)/placeBytes].Load() == 0 {
				c = s.compress(d, raw[begin:], offset+begin, window)
			}
			place := c.places[(offset+begin)/placeBytes].Load()
			if place != placeLarger && int(place) >= len(c.buf) {
				c = s.content.Load() // another client has compressed it meanwhile
			}
			if place != placeLarger {
				_, _, n := frameAt(c.buf[place:])
				frame = c.buf[place : int(place)+n]
			}
		}
		g.add(frame)
		begin += size
	}
}

// compress compresses those of the frames, which begin at an offset in the chunk, that were not compressed before.
func (s *compressedChunk) compress(d *deflater, raw []byte, offset, window int) *compressedFrames {
	s.compressing.Lock()
	defer s.compressing.Unlock()
	var c compressedFrames
	if old := s.content.Load(); old != nil {
		c = *old
	} else {
		c = compressedFrames{places: make([]atomic.Uint32, (s.chunkSize+placeBytes-1)/placeBytes), buf: make([]byte, 1)}
	}
	var compressed []struct{ at, place uint32 }
	var before, after int
	z := d.take()
	defer func() { d.free <- z }()
	for at := offset; len(raw) > 0; {
		opcode, payload, size := frameAt(raw)
		raw = raw[size:]
		if d.shrinks(payload, window) && c.places[at/placeBytes].Load() == 0 {
			place := uint32(placeLarger)
			small := z.compress(payload)
			if n := frameSize(len(small)); n < size {
				place = uint32(len(c.buf))
				c.buf = appendFrame(c.buf, rsv1|opcode, small) // no client reads behind the length that was published
			}
			compressed = append(compressed, struct{ at, place uint32 }{uint32(at / placeBytes), place})
			before, after = before+len(payload), after+min(len(small), len(payload))
		}
		at += size
	}
	if len(compressed) == 0 { // another client has compressed them meanwhile
		return s.content.Load()
	}
	s.content.Store(&c) // before the places, which refer to it
	for _, p := range compressed {
		c.places[p.at].Store(p.place)
	}
	s.count(int64(cap(c.buf) + 4*len(c.places)))
	d.metrics.compressedInput.Add(float64(before))
	d.metrics.compressedOutput.Add(float64(after))
	return &c
}

// count sets the memory.
func (s *compressedChunk) count(memory int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.old {
		s.held.Add(memory - s.memory)
	}
	s.memory = memory
}

// size returns the memory, in bytes.
func (s *compressedChunk) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory
}

// leaveHistory records that the chunk is beyond the history. Clients that have not read it keep it in memory.
func (s *compressedChunk) leaveHistory() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held.Add(-s.memory)
	s.old = true
}
