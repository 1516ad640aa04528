package websocket

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// rights are the events that a client may see: all, those of a key, or those for which a
// condition is true.
type rights struct {
	limited   bool
	key       string         // of an equality: the value that an event must have
	condition expr.Condition // of any other rule: with the values of the claims
	claims    string         // hash of the claims that the condition uses, which distinguishes conditions
}

// id returns equal text for equal rights.
func (r rights) id() string { return r.key + "|" + r.claims }

// unlimited reports whether the client may see all events.
func (r rights) unlimited() bool { return !r.limited }

var errNoClaim = errors.New("the token lacks a claim that the option authorize uses: request a token with this claim")

// rightsOf returns the rights of a client with these claims. Its error is errNoClaim if the rule
// uses a claim that is missing.
func rightsOf(a expr.Authorization, claims map[string]any) (r rights, err error) {
	if a.IsZero() {
		return r, nil
	}
	r.limited = true
	if key, keyed := a.ClaimKey(claims); keyed {
		if key == "" {
			return r, errNoClaim
		}
		r.key = key
		return r, nil
	}
	text, err := a.ReadClaims(claims)
	if err != nil {
		return r, err
	}
	sum := sha256.Sum256([]byte(text))
	r.claims = hex.EncodeToString(sum[:])
	var complete bool
	if r.condition, complete = a.For(claims); !complete {
		return r, errNoClaim
	}
	return r, nil
}

// permits reports whether the rights of a topic show an event; key is the event's key where rights
// are looked up.
func (h *hub) permits(x *expr.Evaluator, t *topic, e *event.Event, key string) bool {
	switch r := t.rights; {
	case !r.limited:
		return true
	case !r.condition.IsZero():
		ok, err := x.True(r.condition, e)
		return ok && err == nil
	default:
		return key == r.key
	}
}

// SimulateClient is part of [plugin.ClientSimulator]. It returns a function that applies the option authorize to an
// event, as for a client without a filter.
func (o Options) SimulateClient(claims map[string]any) (func(*event.Event) (payload []byte, sees bool), error) {
	rights, err := rightsOf(o.Authorize, claims)
	if err != nil {
		return nil, err
	}
	h, t := newHub(o, newMetrics(), time.Now, nil), &topic{subscription: subscription{rights: rights, protocol: true}}
	return func(e *event.Event) ([]byte, bool) {
		p := &storedEvent{Event: *e}
		h.setRightsKeys(p)
		v := h.match(&h.eval, t, p)
		if v.kind == matchLeave {
			return leaveMessage(v.row), true
		}
		return p.Data, v.kind != matchNone
	}, nil
}

var _ plugin.ClientSimulator = (*Options)(nil)
