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

// sseHead answers a request for server-sent events: everything behind it, until the end of
// the connection, is events.
const sseHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"

// serveEvents sends server-sent events (the HTML standard, section 9.2).
func (s *sink) serveEvents(w *hijacker, r *http.Request, c *client) error {
	if !s.originAllowedSSE(r) {
		s.refuse(w, r, http.StatusForbidden, errors.New("this origin may not"))
		return nil
	}
	if _, _, err := w.Hijack(); err != nil {
		http.Error(w, "this connection cannot be kept: server-sent events need HTTP/1.1", http.StatusNotImplemented)
		return err
	}
	raw := c.conn.Conn
	head := sseHead
	if origin := w.Header().Get("Access-Control-Allow-Origin"); origin != "" && !strings.ContainsAny(origin, "\r\n") {
		head += "Access-Control-Allow-Origin: " + origin + "\r\nVary: Origin\r\n"
	}
	_ = raw.SetDeadline(time.Now().Add(s.opts.WriteTimeout.D()))
	if _, err := io.WriteString(raw, head+"\r\n"); err != nil {
		raw.Close()
		return err
	}
	_ = raw.SetDeadline(time.Time{})
	st := &sseStream{Conn: raw}
	c.conn = &conn{Conn: st, stream: st, c: c}
	c.start()
	st.watch(c)
	return nil
}

// sseStream is a connection that gets server-sent events in the place of frames.
type sseStream struct {
	net.Conn
	epoch        string // and the rest: where the client is, as subscribed has told it
	offset, seen uint64
	text         []byte
}

// watch reads until the client is gone, which has nothing more to say, and sees to it that
// something is sent from time to time: so proxies keep the connection.
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

// events turns frames of a log into events with their ids.
func (st *sseStream) events(frames []byte) []byte {
	out := make([]byte, 0, len(frames)+len(frames)/2)
	for len(frames) > 0 {
		opcode, payload, size := frameAt(frames)
		frames = frames[size:]
		var mark struct {
			Type   string
			Offset uint64
		}
		switch {
		case !isControl(opcode, payload):
			out = st.event(out, opcode, payload)
		case json.Unmarshal(payload, &mark) == nil && mark.Type == "position":
			st.offset, st.seen = mark.Offset, 0
			out = append(st.id(out), '\n')
		default: // a row has left, which counts as a message
			st.seen++
			out = appendData(append(st.id(out), "event: control\n"...), payload)
		}
	}
	return out
}

// id appends where the client is.
func (st *sseStream) id(out []byte) []byte {
	return fmt.Appendf(out, "id: %s-%d-%d\n", st.epoch, st.offset, st.seen)
}

func (st *sseStream) event(out []byte, opcode byte, payload []byte) []byte {
	st.seen++
	out = st.id(out)
	if opcode == opBinary {
		out = append(out, "event: binary\n"...)
		payload = fmt.Appendf(nil, "%x", payload)
	}
	return appendData(out, payload)
}

// appendData appends an event's lines of data, and its end.
func appendData(out, payload []byte) []byte {
	if bytes.IndexByte(payload, '\r') >= 0 { // ends a line, too
		payload = bytes.ReplaceAll(bytes.ReplaceAll(payload, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	}
	for line := range bytes.SplitSeq(payload, []byte("\n")) {
		out = append(append(append(out, "data: "...), line...), '\n')
	}
	return append(out, '\n')
}

// Write turns control frames into events of the type control, and passes the events of
// messages on.
func (st *sseStream) Write(b []byte) (int, error) {
	if len(b) == 0 || b[0]&final == 0 { // text: events, which begin with a letter
		return st.Conn.Write(b)
	}
	st.text = st.text[:0]
	for rest := b; len(rest) > 0; {
		opcode, payload, size := frameAt(rest)
		rest = rest[size:]
		switch opcode {
		case opText, opBinary:
			var at struct {
				Type, Epoch  string
				Offset, Seen uint64
			}
			if json.Unmarshal(payload, &at) == nil && at.Type == "subscribed" {
				st.epoch, st.offset, st.seen = at.Epoch, at.Offset, at.Seen
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

// CloseWrite says that nothing more comes.
func (st *sseStream) CloseWrite() error {
	if half, ok := st.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
