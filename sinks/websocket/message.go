package websocket

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// Protocol is the subprotocol of clients that want control messages beside the
// events: {"type":"gap",...} where events may be missing. Clients that do not
// ask for it get the events and nothing else.
const Protocol = "eventgateway.v1"

func speaks(r *http.Request) bool { return slices.Contains(websocket.Subprotocols(r), Protocol) }

// receive carries out what a client asks for: {"type":"ping","timestamp":...}, and of
// clients that speak the protocol {"type":"subscribe",...}. Anything else is ignored, as
// the old server did.
func (c *client) receive(msg []byte) {
	if c.messages != nil && !c.messages.Allow() {
		c.close(closeFrame(closePolicy, "too many messages"), "policy", false)
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
			c.enqueue(appendFrame(nil, opText, errorMessage(err)))
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
			c.enqueue(appendFrame(nil, opText, errorMessage(err)))
		}
	}
}

var errTooOften = errors.New("too many subscriptions one after the other: wait a second")

func (c *client) pong(timestamp json.RawMessage) {
	answer := []byte(`{"type":"pong",`)
	if timestamp != nil {
		answer = append(append(append(answer, `"timestamp":`...), timestamp...), ',')
	}
	answer = append(answer, `"time":"`...)
	answer = time.Now().UTC().AppendFormat(answer, expr.ISOMillis)
	c.enqueue(appendFrame(nil, opText, append(answer, `"}`...)))
}

func gapMessage(g plugin.Gap) []byte {
	text, _ := json.Marshal(struct { // strings always encode
		Type   string `json:"type"`
		Source string `json:"source,omitempty"`
		Reason string `json:"reason"`
	}{"gap", g.Source, g.Reason})
	return text
}
