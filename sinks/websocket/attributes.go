package websocket

import (
	"time"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/rawjson"
)

// maxAttributed bounds the payloads whose attributes are in one message.
const maxAttributed = 64

// attributedFrames returns the frames of a span, as [deflater.frames] does without compression. Before payloads it inserts a message
// with their attributes, which are those of the history: a client that lags behind it gets null.
func (h *hub) attributedFrames(s span) ([]byte, *[]byte) {
	g := attributedRun{buffer: writeBuffers.Get().(*[]byte)}
	g.frames = (*g.buffer)[:0]
	for c, begin, index := s.begin.chunk, s.begin.chunkOffset, s.begin.chunkIndex; ; c, begin, index = c.next.Load(), 0, 0 {
		end := s.end.chunkOffset
		if c != s.end.chunk {
			end, _ = c.published()
		}
		switch {
		case begin == end: // the end may be in a chunk to which the feeder is about to give its first frame
		case c.own: // a leave or a position message, which has no attributes
			g.frames = append(g.frames, c.buf[begin:end]...)
		case s.topic == h.main:
			g.add(h, c.buf[begin:end], c.messages+uint64(index)+1)
		default:
			g.add(h, c.buf[begin:end], c.offset+uint64(index))
		}
		if c == s.end.chunk {
			*g.buffer = g.frames
			return g.frames, g.buffer
		}
	}
}

// attributedRun collects frames with their attributes.
type attributedRun struct {
	frames []byte
	buffer *[]byte
	events []*storedEvent
	text   []byte
}

// add adds adjacent payload frames, from an offset of the main log on.
func (g *attributedRun) add(h *hub, raw []byte, first uint64) {
	for len(raw) > 0 {
		n, bytes := 0, 0
		for ; n < maxAttributed && bytes < len(raw); n++ {
			_, _, size := frameAt(raw[bytes:])
			bytes += size
		}
		g.events = h.storedEvents(g.events[:0], first, n)
		g.text = append(g.text[:0], `{"type":"attributes","messages":[`...)
		for i, e := range g.events {
			if i > 0 {
				g.text = append(g.text, ',')
			}
			g.text = e.appendAttributes(g.text)
		}
		g.frames = append(append(g.frames, controlFrame(append(g.text, `]}`...))...), raw[:bytes]...)
		raw, first = raw[bytes:], first+uint64(n)
	}
	clear(g.events) // would keep the history in memory
}

// storedEvents appends the n events from an offset on; nil for those that the history does not have any more.
func (h *hub) storedEvents(to []*storedEvent, first uint64, n int) []*storedEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	for offset := first; offset < first+uint64(n); offset++ {
		if offset < h.history.first || offset >= h.history.next {
			to = append(to, nil)
			continue
		}
		to = append(to, h.history.at(offset))
	}
	return to
}

// appendAttributes appends what an event has beside its payload, as a JSON object.
func (p *storedEvent) appendAttributes(to []byte) []byte {
	if p == nil {
		return append(to, "null"...)
	}
	begin := len(to)
	member := func(name, value string) {
		if value == "" {
			return
		}
		if len(to) > begin && to[len(to)-1] != '{' {
			to = append(to, ',')
		}
		to = append(rawjson.AppendText(to, name), ':')
		to = rawjson.AppendText(to, value)
	}
	to = append(to, '{')
	member("channel", p.Channel)
	member("key", p.Key)
	member("id", p.ID)
	member("source", p.Source)
	member("time", isoTime(p.Time))
	member("origin", isoTime(p.Origin))
	if !p.Position.IsZero() {
		member("position", p.Position.String())
	}
	if len(p.Attrs) > 0 {
		if to[len(to)-1] != '{' {
			to = append(to, ',')
		}
		to = append(to, `"attrs":{`...)
		for _, a := range p.Attrs {
			member(a.Name, a.Value)
		}
		to = append(to, '}')
	}
	return append(to, '}')
}

// isoTime returns a time as text, "" if it is zero.
func isoTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(expr.ISOMillis)
}
