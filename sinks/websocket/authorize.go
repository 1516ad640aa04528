package websocket

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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
	claims    string         // a hash of them, which tells conditions apart
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
	if key, keyed := a.Claim(claims); keyed {
		if key == "" {
			return r, errNoClaim
		}
		r.key = key
		return r, nil
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return r, err
	}
	sum := sha256.Sum256(text)
	r.claims = hex.EncodeToString(sum[:])
	var complete bool
	if r.condition, complete, err = a.For(claims); err != nil {
		return r, fmt.Errorf("the claims of the token do not fit what is asked of them: %w", err)
	}
	if !complete {
		return r, errNoClaim
	}
	return r, nil
}

// of returns the topics that an event may belong to, beside the main one: those of its key
// are looked up.
func (h *hub) of(e *event.Event) []*topic {
	if len(h.keyed) == 0 {
		return h.free
	}
	h.text = h.eval.Key(h.text[:0], h.opts.Authorize, e)
	return h.keyed[string(h.text)]
}

// change is an event under a look by the topics.
type change struct {
	*event.Event
	before *event.Event // see former
	looked bool
}

// former returns the event as it would be, had its row stayed as it was, where rights depend
// on the row; else nil. A client that may see that one must learn of the change, even where
// it may not see what has become of the row.
func (h *hub) former(c *change) *event.Event {
	if !c.looked {
		c.looked = true
		if h.rows {
			c.before = beforeChange(c.Event)
		}
	}
	return c.before
}

// ofFormer returns the topics that are looked up for the row as it was, and not for the row
// as it is.
func (h *hub) ofFormer(c *change) []*topic {
	if len(h.keyed) == 0 || h.former(c) == nil {
		return nil
	}
	is := string(h.eval.Key(h.text[:0], h.opts.Authorize, c.Event))
	if h.text = h.eval.Key(h.text[:0], h.opts.Authorize, c.before); string(h.text) == is {
		return nil
	}
	return h.keyed[string(h.text)]
}

// look says what an event is to a topic, and returns what is sent of it: all of it to those
// who may see it; the row as it was, and nothing more, to those who may see only that. With
// found it was looked up that the topic has the right.
func (h *hub) look(t *topic, c *change, found bool) (verdict int, payload []byte) {
	if found && t.allowed.condition.IsZero() || h.may(t, c.Event) {
		return h.judge(t, c.Event), c.Data
	}
	former := h.former(c)
	if former == nil || !h.may(t, former) || h.judge(t, onlyRow(c.Event)) != present {
		return absent, nil
	}
	return left, rowPayload(c.Event, false)
}

// may says whether those who have a topic may see an event.
func (h *hub) may(t *topic, e *event.Event) bool {
	switch r := t.allowed; {
	case !r.limited:
		return true
	case !r.condition.IsZero():
		ok, err := h.eval.True(r.condition, e)
		return ok && err == nil
	default:
		h.text = h.eval.Key(h.text[:0], h.opts.Authorize, e)
		return string(h.text) == r.key
	}
}

// enter lists a topic, and exit takes it out.
func (h *hub) enter(t *topic) {
	if key := t.allowed.key; key != "" {
		h.keyed[key] = append(h.keyed[key], t)
		return
	}
	h.free = append(h.free, t)
}

func (h *hub) exit(t *topic) {
	same := func(o *topic) bool { return o == t }
	key := t.allowed.key
	if key == "" {
		h.free = slices.DeleteFunc(h.free, same)
		return
	}
	if h.keyed[key] = slices.DeleteFunc(h.keyed[key], same); len(h.keyed[key]) == 0 {
		delete(h.keyed, key)
	}
}
