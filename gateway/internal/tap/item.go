package tap

import (
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
)

// Bounds of what is shown of one event, in bytes.
const (
	MaxPayload = 8 << 10 // of a payload
	maxText    = 256     // of a key, an ID, or an attribute
	maxReason  = 1 << 10
	maxAttrs   = 32 // number of attributes
)

// Item is one event at a component, as viewers see it.
type Item struct {
	Time      time.Time `json:"time"`
	Component string    `json:"component"`
	// Skipped counts the events that have passed since the last item and were not shown. It does not include those that do
	// not match the filter.
	Skipped  uint64   `json:"skipped"`
	Events   []View   `json:"events"` // what came in: one event, or the first ones of a window
	Count    int      `json:"count"`  // of the events that came in
	Steps    []Change `json:"steps,omitempty"`
	Outcome  string   `json:"outcome"`
	Reason   string   `json:"reason,omitempty"`
	Attempts int      `json:"attempts,omitempty"` // failed ones
	To       []string `json:"to,omitempty"`
}

// Change is what a transform has done.
type Change struct {
	Stage     int    `json:"stage"` // index of the transform in its route
	Transform string `json:"transform"`
	Type      string `json:"type"`
	Before    *View  `json:"before,omitempty"` // absent for a window, which is in events
	After     []View `json:"after"`            // the first ones
	Count     int    `json:"count"`            // of what was made
	Outcome   string `json:"outcome"`
	Reason    string `json:"reason,omitempty"`
	// Changed has the fields of the payload that differ, where one event was made of one. Uncompared says why there are none.
	Changed    []Difference `json:"changed,omitempty"`
	More       int          `json:"more,omitempty"` // differences beyond those
	Uncompared string       `json:"uncompared,omitempty"`
}

// View is an event as viewers see it.
type View struct {
	ID      string            `json:"id,omitempty"`
	Source  string            `json:"source"`
	Channel string            `json:"channel"`
	Key     string            `json:"key,omitempty"`
	Time    time.Time         `json:"time"`
	Attrs   map[string]string `json:"attrs,omitempty"`
	// Payload is the beginning of the payload, or all of it. It is text, or base64 where Encoding says so.
	Payload   string `json:"payload"`
	Encoding  string `json:"encoding,omitempty"`
	Bytes     int    `json:"bytes"` // of the whole payload
	Truncated bool   `json:"truncated,omitempty"`
	// Masked is set where parts of the payload may be hidden. Hidden says why nothing of it is shown.
	Masked bool   `json:"masked,omitempty"`
	Hidden string `json:"hidden,omitempty"`
}

// item returns what viewers see of a record.
func (r *Record) item() *Item {
	it := &Item{Time: r.Time, Component: r.Component, Events: []View{}, Count: r.Count, Outcome: r.Outcome, Reason: reason(r.Hide, r.Outcome, r.Reason), Attempts: r.Attempts, To: r.To}
	for i := range r.Events {
		v, _ := view(&r.Events[i], r.Hide)
		it.Events = append(it.Events, v)
	}
	failed := false // a transform that hides may have failed: what goes on is not hidden
	for i := range r.Steps {
		s := &r.Steps[i]
		before, after := s.Hidden, s.Hide
		if failed {
			before = Join(before, &Policy{all: true})
		}
		if failed = failed || s.Outcome == Passed && s.Hidden != nil; failed {
			after = Join(after, &Policy{all: true})
		}
		it.Steps = append(it.Steps, s.change(before, after))
	}
	return it
}

// change returns what viewers see of a step, with the policies of what came in and of what it has made.
func (s *Step) change(before, after *Policy) Change {
	c := Change{Stage: s.Stage, Transform: s.Transform, Type: s.Type, After: []View{}, Count: s.Count, Outcome: s.Outcome, Reason: reason(Join(before, after), s.Outcome, s.Reason)}
	var shown [2][]byte
	if s.Before != nil {
		v, data := view(s.Before, before)
		c.Before, shown[0] = &v, data
	}
	for i := range s.After {
		v, data := view(&s.After[i], after)
		c.After = append(c.After, v)
		shown[1] = data
	}
	if s.Before != nil && s.Count == 1 && len(s.After) == 1 {
		if c.Before.Hidden != "" || c.After[0].Hidden != "" {
			c.Uncompared = "the payload is hidden"
		} else {
			c.Changed, c.More, c.Uncompared = compare(s.Before.Data, s.After[0].Data, shown[0], shown[1])
		}
	}
	return c
}

// Show returns an event as viewers see it.
func (p *Policy) Show(e *event.Event) View {
	v, _ := view(e, p)
	return v
}

// view returns an event as viewers see it, and its whole payload as they may see it.
func view(e *event.Event, hide *Policy) (v View, shown []byte) {
	v = View{ID: cut(e.ID, maxText), Source: e.Source, Channel: cut(e.Channel, maxText), Key: cut(e.Key, maxText), Time: e.Time, Bytes: len(e.Data), Masked: hide != nil}
	for i, a := range e.Attrs {
		if i == maxAttrs {
			break
		}
		if v.Attrs == nil {
			v.Attrs = map[string]string{}
		}
		value := cut(a.Value, maxText)
		if hide != nil && strings.HasPrefix(a.Name, deadLetterReason) {
			value = HiddenReason
		}
		v.Attrs[cut(a.Name, maxText)] = value
	}
	shown, err := hide.ShowPayload(e.Data)
	if err != nil {
		v.Hidden = cut(err.Error(), maxReason)
		return v, nil
	}
	v.Payload, v.Encoding, v.Truncated = Text(shown)
	return v, shown
}

// deadLetterReason begins the names of the attributes with the errors for which an event was parked.
const deadLetterReason = "dead_letter_reason"

// HiddenReason stands for an error that may quote what is hidden.
const HiddenReason = "hidden: a transform of the route hides fields, which an error may quote"

// reason returns a reason as viewers may see it. An error of a plugin may quote the payload.
func reason(hide *Policy, outcome, reason string) string {
	if hide == nil || reason == "" || outcome == Filtered || strings.HasPrefix(reason, "queue: ") {
		return cut(reason, maxReason)
	}
	return HiddenReason
}

// Text returns the beginning of a payload as text, or in base64 where it is not UTF-8.
func Text(data []byte) (text, encoding string, truncated bool) {
	head := data[:min(len(data), MaxPayload)]
	whole := head
	if truncated = len(head) < len(data); truncated {
		for n := 0; n < utf8.UTFMax && len(whole) > 0 && !utf8.Valid(whole); n++ { // a character may be cut
			whole = whole[:len(whole)-1]
		}
	}
	if utf8.Valid(whole) && (len(whole) > 0 || len(head) == 0) {
		return string(whole), "", truncated
	}
	return base64.StdEncoding.EncodeToString(head), "base64", truncated
}

// cut returns at most n bytes of a text.
func cut(text string, n int) string {
	if len(text) <= n {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	return strings.ToValidUTF8(text[:n], "") + "..."
}
