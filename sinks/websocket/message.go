package websocket

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// Protocol is the subprotocol of clients that want control messages beside the
// events: {"type":"gap",...} where events may be missing. Clients that do not
// ask for it get the events and nothing else.
//
// Which of both a message is, its frame tells, and no payload can imitate it: a control
// message is JSON in a binary frame. Payloads that are UTF-8 are text frames, so a binary
// frame whose bytes are UTF-8 is never a payload.
const Protocol = "eventgateway.v2"

func speaks(r *http.Request) bool { return slices.Contains(websocket.Subprotocols(r), Protocol) }

// family is what the names of all versions of [Protocol] begin with.
const family = "eventgateway."

// errVersion refuses a client that speaks other versions only. Without a subprotocol in the
// answer a browser would fail the connection, and say no reason.
var errVersion = errors.New("this gateway speaks " + Protocol)

// speaksOther says whether a client offers versions of the protocol, and none that is known.
func speaksOther(r *http.Request) bool {
	other := func(name string) bool { return strings.HasPrefix(name, family) }
	return !speaks(r) && slices.ContainsFunc(websocket.Subprotocols(r), other)
}

// receive carries out what a client asks for: {"type":"ping","timestamp":...}, and of
// clients that speak the protocol {"type":"subscribe",...}. Anything else is ignored, as
// the old server did.
func (c *client) receive(msg []byte) {
	if c.messages != nil && !c.messages.Allow() {
		c.close(closeFrame(closePolicy, "too many messages"), "policy", false)
		if c.refused++; c.refused > maxRefused { // it has not taken the hint
			_ = c.conn.Conn.Close()
		}
		return
	}
	var m struct {
		Type      string          `json:"type"`
		Timestamp json.RawMessage `json:"timestamp,omitempty"`
		Token     string          `json:"token"`
		wish
	}
	if json.Unmarshal(msg, &m) != nil {
		return
	}
	switch m.Type {
	case "ping":
		c.pong(m.Timestamp)
	case "auth":
		if !c.waiting && !(c.protocol && c.sink.opts.Auth.required()) {
			return
		}
		if err := c.receiveToken(m.Token); err != nil {
			c.enqueue(c.control(errorMessage(err)))
		}
	case "subscribe":
		if !c.protocol || c.waiting {
			return
		}
		err := errTooOften
		if c.moves.Allow() {
			err = c.subscribe(m.wish)
		}
		if err != nil {
			c.enqueue(c.control(errorMessage(err)))
		}
	}
}

// control returns the frame of a control message.
func (c *client) control(text []byte) []byte {
	if !c.protocol {
		return appendFrame(nil, opText, text)
	}
	return controlFrame(text)
}

// controlFrame returns the frame of a control message to a client that speaks [Protocol].
// Its text may hold what a client or an event has brought: it is made UTF-8, or else the
// frame would be that of a payload.
func controlFrame(text []byte) []byte {
	return appendFrame(nil, opBinary, bytes.ToValidUTF8(text, replacement))
}

// replacement stands for bytes that are not UTF-8, as in browsers: U+FFFD.
var replacement = []byte("\uFFFD")

// controlTypes are the types of control messages beside the welcome.
var controlTypes = []string{"subscribed", "position", "leave", "gap", "error", "pong", "close"}

// isControl says whether a frame that a client of [Protocol] gets is a control message.
func isControl(opcode byte, payload []byte) bool { return opcode == opBinary && utf8.Valid(payload) }

var errTooOften = errors.New("too many subscriptions one after the other: wait a second")

func (c *client) pong(timestamp json.RawMessage) {
	answer := []byte(`{"type":"pong",`)
	if timestamp != nil {
		answer = append(append(append(answer, `"timestamp":`...), timestamp...), ',')
	}
	answer = append(answer, `"time":"`...)
	answer = time.Now().UTC().AppendFormat(answer, expr.ISOMillis)
	c.enqueue(c.control(append(answer, `"}`...)))
}

func gapMessage(g plugin.Gap) []byte {
	text, _ := json.Marshal(struct { // strings always encode
		Type    string `json:"type"`
		Source  string `json:"source,omitempty"`
		Reason  string `json:"reason"`
		Dropped uint64 `json:"dropped,omitempty"`
	}{"gap", g.Source, g.Reason, g.Dropped})
	return text
}
