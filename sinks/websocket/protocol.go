package websocket

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gorilla/websocket"

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

func speaksProtocol(r *http.Request) bool {
	return slices.Contains(websocket.Subprotocols(r), Protocol)
}

// family is what the names of all versions of [Protocol] begin with.
const protocolPrefix = "eventgateway."

// errVersion refuses a client that speaks other versions only. Without a subprotocol in the
// answer a browser would fail the connection, and say no reason.
var errVersion = errors.New("this gateway speaks " + Protocol)

// speaksOtherVersion says whether a client offers versions of the protocol, and none that is known.
func speaksOtherVersion(r *http.Request) bool {
	other := func(name string) bool { return strings.HasPrefix(name, protocolPrefix) }
	return !speaksProtocol(r) && slices.ContainsFunc(websocket.Subprotocols(r), other)
}

// encodeControl returns the frame of a control message.
func (c *client) encodeControl(text []byte) []byte {
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

func gapMessage(g plugin.Gap) []byte {
	text, _ := json.Marshal(struct { // strings always encode
		Type    string `json:"type"`
		Source  string `json:"source,omitempty"`
		Reason  string `json:"reason"`
		Dropped uint64 `json:"dropped,omitempty"`
	}{"gap", g.Source, g.Reason, g.Dropped})
	return text
}

// subscribedMessage says where a client begins.
func subscribedMessage(at startPoint) []byte {
	text := fmt.Appendf(nil, `{"type":"subscribed","epoch":"%s","offset":%d,"seen":%d`, at.epoch, at.offset, at.seen)
	if at.recovered || at.gap {
		text = fmt.Appendf(text, `,"recovered":%v`, at.recovered)
	}
	return append(text, '}')
}

// positionMessage tells a client that it has everything up to a number: it counts what
// comes behind from 0 again.
func positionMessage(offset uint64) []byte {
	return fmt.Appendf(nil, `{"type":"position","offset":%d}`, offset)
}

// leaveMessage tells a client that the row of an event is not in its subscription any more.
// Bytes of the event that are not UTF-8 are replaced: else it would look like a payload.
func leaveMessage(payload []byte) []byte {
	text := append([]byte(`{"type":"leave","message":`), bytes.ToValidUTF8(payload, replacement)...)
	return append(text, '}')
}

// errorMessage answers a message that cannot be carried out.
func errorMessage(err error) []byte {
	text, _ := json.Marshal(struct { // strings always encode
		Type   string `json:"type"`
		Reason string `json:"reason"`
	}{"error", err.Error()})
	return text
}
