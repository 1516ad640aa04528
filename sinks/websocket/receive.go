package websocket

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"eventgateway/gateway/expr"
)

// maxExcessMessages is how many messages are read of a client that has exceeded its bound, while
// it has time to answer the close frame.
const maxExcessMessages = 1000

// receive handles a message from a client: {"type":"ping","timestamp":...}, {"type":"auth",...}, and
// from clients that speak the protocol {"type":"subscribe",...}, {"type":"unsubscribe",...} and {"type":"presence",...}. It ignores other messages.
func (c *client) receive(msg []byte) {
	if c.messages != nil && !c.messages.AllowN(time.Now(), c.messageCost()) {
		c.close(closeFrame(closePolicy, "too many messages"), "policy", false)
		if c.excessMessages++; c.excessMessages > maxExcessMessages { // it ignores the close frame
			_ = c.conn.Conn.Close()
		}
		return
	}
	var m struct {
		Type      string          `json:"type"`
		Timestamp json.RawMessage `json:"timestamp,omitempty"`
		Token     string          `json:"token"`
		ID        string          `json:"id"`
		Channel   string          `json:"channel"`
		subscribeRequest
	}
	if json.Unmarshal(msg, &m) != nil {
		return
	}
	switch m.Type {
	case "ping":
		c.pong(m.Timestamp)
	case "auth":
		if !c.awaitingToken && !(c.protocol && c.sink.opts.Auth.required()) {
			return
		}
		c.receiveToken(m.Token)
	case "subscribe":
		if !c.protocol || c.awaitingToken {
			return
		}
		err := errTooManySubscribes
		if c.subscribes.Allow() {
			err = c.subscribe(context.Background(), m.ID, m.subscribeRequest)
		}
		c.answerFailure(m.ID, err)
	case "presence":
		if c.protocol && !c.awaitingToken {
			c.askPresence(m.Channel)
		}
	case "unsubscribe":
		if c.protocol && !c.awaitingToken {
			c.answerFailure(m.ID, c.unsubscribe(m.ID))
		}
	}
}

// answerFailure answers a request that concerns one subscription, if it has failed.
func (c *client) answerFailure(id string, err error) {
	switch {
	case err == nil:
		c.queueControl(nil) // the answer is queued; too many unread are not allowed
	case checkID(id) != nil: // the reason has the begin of it
		c.queueControl(controlFrame(errorMessage(err)))
	default:
		c.queueControl(controlFrame(namedMessage(id, errorMessage(err))))
	}
}

// inflatedBytes are the bytes of inflated messages that count as a message. Few bytes of a client inflate to a thousand times as many.
const inflatedBytes = 64 << 10

// messageCost returns how many messages the one that was read counts.
func (c *client) messageCost() int {
	n := 1
	if z := c.conn.inflater; z != nil {
		n += z.inflated / inflatedBytes
		z.inflated = 0
	}
	return min(n, c.messages.Burst())
}

var errTooManySubscribes = errors.New("too many subscribe messages: wait a second")

// pong answers a ping message.
func (c *client) pong(timestamp json.RawMessage) {
	answer := []byte(`{"type":"pong",`)
	if timestamp != nil {
		answer = append(append(append(answer, `"timestamp":`...), timestamp...), ',')
	}
	answer = append(answer, `"time":"`...)
	answer = time.Now().UTC().AppendFormat(answer, expr.ISOMillis)
	c.queueControl(c.encodeControl(append(answer, `"}`...)))
}
