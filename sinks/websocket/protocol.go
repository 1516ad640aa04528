package websocket

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/plugin"
)

// Protocol is the subprotocol of clients that get control messages beside the events, such as
// {"type":"gap",...} where events may be missing. Clients without it get only the events.
//
// The frame distinguishes both, so that no payload can imitate a control message: a control
// message is JSON in a binary frame. Payloads that are UTF-8 are text frames, so a binary
// frame whose bytes are UTF-8 is never a payload.
const Protocol = "eventgateway.v2"

// encodeControl returns the frame of a control message to this client.
func (c *client) encodeControl(text []byte) []byte {
	if !c.protocol {
		return appendFrame(nil, opText, text)
	}
	return controlFrame(text)
}

// controlFrame returns the frame of a control message to a client that speaks [Protocol].
// Text from a client or an event may be invalid UTF-8, and the frame would be that of a payload:
// controlFrame replaces invalid bytes.
func controlFrame(text []byte) []byte {
	return appendFrame(nil, opBinary, bytes.ToValidUTF8(text, replacement))
}

// replacement replaces bytes that are not UTF-8, as in browsers: U+FFFD.
var replacement = []byte("\uFFFD")

// controlTypes lists the types of control messages, except the welcome.
var controlTypes = []string{"subscribed", "unsubscribed", "messages", "position", "leave", "presence", "attributes", "gap", "error", "pong", "auth", "expiring", "close"}

// isControl reports whether a frame to a client that speaks [Protocol] is a control message.
func isControl(opcode byte, payload []byte) bool { return opcode == opBinary && utf8.Valid(payload) }

// gapMessage returns the message for a gap of a source or of the queue.
func gapMessage(g plugin.Gap) []byte {
	text, _ := json.Marshal(struct { // strings always encode
		Type    string `json:"type"`
		Source  string `json:"source,omitempty"`
		Reason  string `json:"reason"`
		Dropped uint64 `json:"dropped,omitempty"`
	}{"gap", g.Source, g.Reason, g.Dropped})
	return text
}

// positionFields returns the members of a JSON object from which a client resumes.
func positionFields(at startPoint) []byte {
	text := fmt.Appendf(nil, `"epoch":"%s",`, at.epoch)
	return fmt.Appendf(appendOffset(text, at.offset, at.name), `,"seen":%d`, at.seen)
}

// subscribedMessage returns the message with the point at which a client begins.
func subscribedMessage(at startPoint) []byte {
	text := append([]byte(`{"type":"subscribed",`), positionFields(at)...)
	if at.recovered || at.gap {
		text = fmt.Appendf(text, `,"recovered":%v`, at.recovered)
	}
	return append(text, '}')
}

// positionMessage returns the message with an offset up to which the client has every message. The
// client then sets seen to 0. name replaces the offset; see [hub.nameOf].
func positionMessage(offset uint64, name string) []byte {
	return append(appendOffset([]byte(`{"type":"position",`), offset, name), '}')
}

// leaveMessage returns the message for an event whose row has left the subscription. It replaces bytes
// that are not UTF-8: else the frame would be that of a payload.
func leaveMessage(payload []byte) []byte {
	text := append([]byte(`{"type":"leave","message":`), bytes.ToValidUTF8(payload, replacement)...)
	return append(text, '}')
}

// expiringMessage returns the message that the token of the client expires soon.
func expiringMessage(in time.Duration) []byte {
	return fmt.Appendf(nil, `{"type":"expiring","seconds":%.3f}`, in.Seconds())
}

// errorMessage returns the message with the reason why a request failed, or a filter was ended.
func errorMessage(err error) []byte {
	text, _ := json.Marshal(struct { // strings always encode
		Type   string `json:"type"`
		Reason string `json:"reason"`
	}{"error", err.Error()})
	return text
}

// presenceErrorMessage returns the message with the reason why a question about a channel has no answer.
func presenceErrorMessage(channel string, err error) []byte {
	text, _ := json.Marshal(struct { // strings always encode
		Type    string `json:"type"`
		Channel string `json:"channel"`
		Reason  string `json:"reason"`
	}{"error", channel, err.Error()})
	return text
}
