package websocket

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
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

func (r rights) all() bool { return !r.limited }

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

// may reports whether those who have a topic may see an event; key is the event's key where
// rights are looked up.
func (h *hub) may(x *expr.Evaluator, t *topic, e *event.Event, key string) bool {
	switch r := t.allowed; {
	case !r.limited:
		return true
	case !r.condition.IsZero():
		ok, err := x.True(r.condition, e)
		return ok && err == nil
	default:
		return key == r.key
	}
}

// enter lists a topic, and exit takes it out.
func (h *hub) enter(t *topic) {
	h.topics[t.key] = t
	if t.asked() {
		h.asked++
		h.divide()
	}
	if !t.fed {
		h.keyed[t.allowed.key] = append(h.keyed[t.allowed.key], t)
	}
}

func (h *hub) exit(t *topic) {
	delete(h.topics, t.key)
	if t.fed {
		h.laneOf(t).remove(t)
		return
	}
	key := t.allowed.key
	same := func(o *topic) bool { return o == t }
	if h.keyed[key] = slices.DeleteFunc(h.keyed[key], same); len(h.keyed[key]) == 0 {
		delete(h.keyed, key)
	}
}
