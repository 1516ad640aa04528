package websocket

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// sseHeader is the header of a response with server-sent events. The events follow, until the end of the
// response.
var sseHeader = [...][2]string{
	{"Content-Type", "text/event-stream; charset=utf-8"}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}, {"X-Content-Type-Options", "nosniff"},
}

// serveEvents sends server-sent events (the HTML standard, section 9.2).
func (s *sink) serveEvents(w *hijacker, r *http.Request, c *client) error {
	if !s.originAllowedSSE(r) {
		s.refuse(w, r, http.StatusForbidden, errOrigin)
		return nil
	}
	raw, err := s.beginEvents(w, r, c)
	if err != nil {
		return err
	}
	_ = raw.SetDeadline(time.Time{}) // an error is one of the next write, too
	st := &sseStream{Conn: raw}
	c.conn = &conn{Conn: st, stream: st, c: c}
	c.start()
	st.watch(c)
	return nil
}

// beginEvents sends the header of the response, and returns the connection to write the events to.
func (s *sink) beginEvents(w *hijacker, r *http.Request, c *client) (net.Conn, error) {
	if r.ProtoMajor >= 2 {
		for _, field := range sseHeader {
			w.Header().Set(field[0], field[1])
		}
		c.stream = newStreamConn(w.ResponseWriter, r)
		_ = c.stream.SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout.D())) // an error is one of the write, too
		w.WriteHeader(http.StatusOK)
		return c.stream, c.stream.control.Flush()
	}
	if _, _, err := w.Hijack(); err != nil {
		http.Error(w, "server-sent events need HTTP/1.1 or HTTP/2", http.StatusNotImplemented)
		return nil, err
	}
	raw := c.conn.Conn
	head := "HTTP/1.1 200 OK\r\n"
	for _, field := range sseHeader {
		head += field[0] + ": " + field[1] + "\r\n"
	}
	if origin := w.Header().Get("Access-Control-Allow-Origin"); origin != "" && !strings.ContainsAny(origin, "\r\n") {
		head += "Access-Control-Allow-Origin: " + origin + "\r\nVary: Origin\r\n"
	}
	_ = raw.SetDeadline(time.Now().Add(s.opts.WriteTimeout.D()))
	if _, err := io.WriteString(raw, head+"Connection: close\r\n\r\n"); err != nil {
		raw.Close()
		return nil, err
	}
	return raw, nil
}

// sseStream is a connection that turns frames into server-sent events.
type sseStream struct {
	net.Conn
	epoch, offset string // of the last subscribed message, as seen
	seen          uint64
	text          []byte
}

// watch reads until the client has disconnected, and ignores what it sends. Every Options.Ping it
// sends a comment, so that proxies do not close the connection.
func (st *sseStream) watch(c *client) {
	buf := make([]byte, 512)
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(c.sink.opts.Ping.D()))
		_, err := st.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) && !c.conn.closing.Load() {
			c.queueControl(appendFrame(nil, opPing, nil))
			continue
		}
		if err != nil {
			c.endRead()
			return
		}
	}
}

// events turns frames of a log into events with ids.
func (st *sseStream) events(frames []byte) []byte {
	out := make([]byte, 0, len(frames)+len(frames)/2)
	for len(frames) > 0 {
		opcode, payload, size := frameAt(frames)
		frames = frames[size:]
		var control struct {
			Type   string
			Offset clientOffset
		}
		switch {
		case !isControl(opcode, payload):
			out = st.event(out, opcode, payload)
		case json.Unmarshal(payload, &control) == nil && control.Type == "position":
			st.offset, st.seen = string(control.Offset), 0
			out = append(st.id(out), '\n')
		default: // a leave counts as a message
			st.seen++
			out = appendData(append(st.id(out), "event: control\n"...), payload)
		}
	}
	return out
}

// id appends the id line: the point from which the client can resume.
func (st *sseStream) id(out []byte) []byte {
	return fmt.Appendf(out, "id: %s-%s-%d\n", st.epoch, st.offset, st.seen)
}

// event appends the event of a message.
func (st *sseStream) event(out []byte, opcode byte, payload []byte) []byte {
	st.seen++
	out = st.id(out)
	if opcode == opBinary {
		out = append(out, "event: binary\n"...)
		payload = fmt.Appendf(nil, "%x", payload)
	}
	return appendData(out, payload)
}

// appendData appends the data lines and the end of an event.
func appendData(out, payload []byte) []byte {
	if bytes.IndexByte(payload, '\r') >= 0 { // ends a line in server-sent events
		payload = bytes.ReplaceAll(bytes.ReplaceAll(payload, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	}
	for line := range bytes.SplitSeq(payload, []byte("\n")) {
		out = append(append(append(out, "data: "...), line...), '\n')
	}
	return append(out, '\n')
}

// Write turns control frames into events of the type control. It writes events of messages
// unchanged.
func (st *sseStream) Write(b []byte) (int, error) {
	if len(b) == 0 || b[0]&final == 0 { // events begin with a letter, frames with the bit final
		return st.Conn.Write(b)
	}
	st.text = st.text[:0]
	for rest := b; len(rest) > 0; {
		opcode, payload, size := frameAt(rest)
		rest = rest[size:]
		switch opcode {
		case opText, opBinary:
			var at struct {
				Type, Epoch string
				Offset      clientOffset
				Seen        uint64
			}
			if json.Unmarshal(payload, &at) == nil && at.Type == "subscribed" {
				st.epoch, st.offset, st.seen = at.Epoch, string(at.Offset), at.Seen
				st.text = st.id(st.text)
			}
			st.text = appendData(append(st.text, "event: control\n"...), payload)
		case opPing:
			st.text = append(st.text, ":\n\n"...)
		case opClose:
			code, reason := 0, ""
			if len(payload) >= 2 {
				code, reason = int(payload[0])<<8|int(payload[1]), string(payload[2:])
			}
			text, _ := json.Marshal(map[string]any{"type": "close", "code": code, "reason": reason}) // it always encodes
			st.text = appendData(append(st.text, "event: control\n"...), text)
		}
	}
	if _, err := st.Conn.Write(st.text); err != nil {
		return 0, err
	}
	return len(b), nil
}

// CloseWrite closes the sending side.
func (st *sseStream) CloseWrite() error {
	if half, ok := st.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
