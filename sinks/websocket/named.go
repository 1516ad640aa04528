package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// maxID bounds the id of a subscription, in bytes.
const maxID = 64

var (
	errTooManySubscriptions = errors.New("too many subscriptions on this connection: end one by unsubscribe, or select several channels in one")
	errNotSubscribed        = errors.New("there is no subscription with this id: use the id of your subscribe message")
)

// checkID returns an error if a subscription cannot have the id.
func checkID(id string) error {
	odd := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_.:-", r))
	}
	if len(id) > maxID || strings.ContainsFunc(id, odd) {
		return fmt.Errorf("the id %.70q is not valid: write 1 to %d letters, digits, _ . : or -", id, maxID)
	}
	return nil
}

// namedMessage adds the id of a subscription to a control message, behind its type. The id "" is left out.
func namedMessage(id string, text []byte) []byte {
	if id == "" {
		return text
	}
	at := len(`{"type":"`)
	at += bytes.IndexByte(text[at:], '"') + 1
	return fmt.Appendf(nil, `%s,"id":"%s"%s`, text[:at], id, text[at:])
}

// unsubscribedMessage returns the message that a subscription has ended, without its id.
func unsubscribedMessage() []byte { return []byte(`{"type":"unsubscribed"}`) }

// closeCodeOf returns the close code for a client whose first subscription is refused. It may try again behind a limit.
func closeCodeOf(err error) int {
	if errors.As(err, new(forbiddenError)) {
		return closePolicy
	}
	return closeSlow
}
