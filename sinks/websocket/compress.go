package websocket

import (
	"bytes"
	"compress/flate"
	"math"
	"runtime"

	"eventgateway/gateway/options"
)

// Compression compresses payloads for clients that offer permessage-deflate (RFC 7692).
type Compression struct {
	Enabled  bool         `koanf:"enabled" doc:"whether payloads are compressed for clients that offer permessage-deflate, as browsers do"`
	Level    int          `koanf:"level" rule:"min=1,max=9" doc:"level of deflate: 1 is the fastest, 9 the smallest"`
	MinBytes options.Size `koanf:"min_bytes" rule:"min=64" doc:"smaller payloads are not compressed"`
}

// Docs is part of [options.Documented].
func (Compression) Docs() map[string]string {
	return map[string]string{
		"enabled": "A payload is compressed once for all clients",
		"level":   "Level 6 takes up to twice as long, and saves at most a sixth more",
	}
}

const (
	rsv1 = 0x40 // marks the frame of a compressed message

	// anyWindow is the window of a client that has not limited it, in bytes. Deflate uses at most 32 KiB of it.
	anyWindow = math.MaxInt
)

// deflateTail ends each flush of deflate, and is not sent (RFC 7692, section 7.2.1).
var deflateTail = []byte{0x00, 0x00, 0xff, 0xff}

// deflater compresses frames. Its compressors take about a megabyte each, so it has one for two processors. This also
// bounds how many processors compress at once.
type deflater struct {
	level    int
	minBytes int
	metrics  *metrics
	free     chan *compressor // nil: not made yet
}

// compressor compresses one message at a time.
type compressor struct {
	writer *flate.Writer
	out    bytes.Buffer
}

func newDeflater(o Compression, m *metrics) *deflater {
	d := &deflater{level: o.Level, minBytes: int(o.MinBytes), metrics: m, free: make(chan *compressor, max(runtime.GOMAXPROCS(0)/2, 1))}
	for range cap(d.free) {
		d.free <- nil
	}
	return d
}

// take waits for a free compressor. The caller returns it to free.
func (d *deflater) take() *compressor {
	z := <-d.free
	if z == nil {
		z = &compressor{}
		z.writer, _ = flate.NewWriter(&z.out, d.level) // the level is valid
	}
	return z
}

// compress returns a compressed payload, which is valid until the next call.
func (z *compressor) compress(payload []byte) []byte {
	z.out.Reset()
	z.writer.Reset(&z.out)
	_, _ = z.writer.Write(payload) // a buffer takes everything
	_ = z.writer.Flush()
	return bytes.TrimSuffix(z.out.Bytes(), deflateTail)
}

// shrinks reports whether a payload may be compressed for a client with a window. A message does not refer to others, so
// a window as large as the payload suffices.
func (d *deflater) shrinks(payload []byte, window int) bool {
	return len(payload) >= d.minBytes && len(payload) <= window
}

// frames returns the frames between two positions of a log for a client that gets compressed messages. As
// [position.gather], it returns the buffer to which it has copied them, or nil.
func (d *deflater) frames(from, to position, window int) ([]byte, *[]byte) {
	var g gathering
	for c, begin := from.chunk, from.chunkOffset; ; c, begin = c.next.Load(), 0 {
		end := to.chunkOffset
		if c != to.chunk {
			end, _ = c.published()
		}
		switch {
		case begin == end: // to may be in a chunk to which the feeder is about to give its first frame
		case c.compressed != nil:
			c.compressed.gather(d, c.buf[begin:end], c.mainOffset+begin, window, &g)
		default:
			g.add(c.buf[begin:end])
		}
		if c == to.chunk {
			return g.frames, g.buffer
		}
	}
}

// gathering collects frames. It copies them to a buffer of writeBuffers if they are not adjacent in memory.
type gathering struct {
	frames []byte
	buffer *[]byte
}

func (g *gathering) add(b []byte) {
	n := len(g.frames)
	switch {
	case len(b) == 0:
	case n == 0:
		g.frames = b
	case g.buffer == nil && cap(g.frames) > n && &g.frames[:n+1][n] == &b[0]:
		g.frames = g.frames[:n+len(b)]
	default:
		if g.buffer == nil {
			g.buffer = writeBuffers.Get().(*[]byte)
			g.frames = append((*g.buffer)[:0], g.frames...)
		}
		g.frames = append(g.frames, b...)
		*g.buffer = g.frames
	}
}
