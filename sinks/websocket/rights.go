package websocket

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// rights are the events that a client may see: all, or those for which a condition is true.
type rights struct {
	condition expr.Condition // with the values of the claims; none: all events
	id        string         // of the condition: clients with equal ids may see the same events
	byChannel bool           // the condition uses channel
}

// unlimited reports whether the client may see all events.
func (r rights) unlimited() bool { return r.condition.IsZero() }

var errNoClaim = errors.New("the token lacks a claim that the option authorize uses: request a token with this claim")

// rightsOf returns the rights of a client with these claims. Its error is errNoClaim if the rule
// uses a claim that is missing.
func rightsOf(a expr.Authorization, claims map[string]any) (r rights, err error) {
	if a.IsZero() {
		return r, nil
	}
	condition, complete := a.For(claims)
	if !complete {
		return r, errNoClaim
	}
	if condition.Always() {
		return r, nil
	}
	if id := condition.ID(); id != "" {
		return rights{condition, id, condition.ReadsChannel()}, nil
	}
	text, err := a.ReadClaims(claims)
	if err != nil {
		return r, err
	}
	sum := sha256.Sum256([]byte(text))
	return rights{condition, hex.EncodeToString(sum[:]), condition.ReadsChannel()}, nil
}

// permit reports whether the rights of the topic show an event with channels, or its old row, by side. If the condition uses
// channel, it must be true for a channel of the event that the subscription selects. An event without such a channel is shown
// if the condition is true whatever the channel is.
func (t *topic) permit(x *evaluation, e *event.Event, side int, channels []string) bool {
	if t.rights.unlimited() {
		return true
	}
	if !t.rights.byChannel {
		ok, err := x.isTrue(t.rights.condition, t.rightsParts, side, e)
		return ok && err == nil
	}
	selected := false
	for _, name := range channels {
		if name == "" || len(t.channels) > 0 && !t.hasChannel(name) {
			continue
		}
		selected = true
		if ok, err := x.TrueIn(t.rights.condition, e, name); ok && err == nil {
			return true
		}
	}
	if selected {
		return false
	}
	ok, err := x.TrueIn(t.rights.condition, e, "")
	return ok && err == nil
}

// forbiddenError refuses a subscription to a channel for which the rights show no event.
type forbiddenError string

func (e forbiddenError) Error() string {
	return "the token does not allow channel " + string(e) + ": subscribe without it, or request another token"
}

// checkChannels returns a forbiddenError if the rights show no event in one of the channels. Channels with a wildcard
// are not checked.
func (s subscription) checkChannels() error {
	for _, name := range s.channels {
		if !strings.HasSuffix(name, "*") && s.rights.condition.NeverIn(name) {
			return forbiddenError(quoteShort(name))
		}
	}
	return nil
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
		p := h.channels.prepare(e)
		v := h.match(&evaluation{Evaluator: &h.eval}, t, &p)
		if v.kind == matchLeave {
			return leaveMessage(v.row), true
		}
		return p.Data, v.kind != matchNone
	}, nil
}

var _ plugin.ClientSimulator = (*Options)(nil)
