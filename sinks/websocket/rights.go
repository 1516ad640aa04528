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

// rights say which events a client may see: all of them, or those of a key, or those for
// which a condition holds.
type rights struct {
	limited   bool
	key       string         // what the events' side of the equality must be
	condition expr.Condition // where it is no equality; the claims stand in it
	claims    string         // a hash of those that the rule reads, which tells conditions apart
}

// id is the same for rights that are the same.
func (r rights) id() string { return r.key + "|" + r.claims }

func (r rights) unlimited() bool { return !r.limited }

var errNoClaim = errors.New("the token lacks a claim by which it is decided what this client may see")

// rightsOf returns what a client with claims may see.
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

// permits reports whether those who have a topic may see an event; key is the event's key where
// rights are looked up.
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

// SimulateClient is part of [plugin.ClientSimulator]: what the rule of authorize leaves of events, for a client
// that asks for all.
func (o Options) SimulateClient(claims map[string]any) (func(*event.Event) (payload []byte, sees bool), error) {
	allowed, err := rightsOf(o.Authorize, claims)
	if err != nil {
		return nil, err
	}
	h, t := newHub(o, newMetrics(), time.Now, nil), &topic{subscription: subscription{rights: allowed, protocol: true}}
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
