package letters

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// Letter is an event that could not be delivered, and why.
type Letter struct {
	Number    uint64            `json:"number"` // rises; in memory from 1 on since the start of the gateway
	Time      time.Time         `json:"time"`
	Component string            `json:"component"` // "sink NAME", "route NAME, transform NAME", "route NAME, when", or "source NAME"
	Place     string            `json:"place"`     // that has parked it: "sink NAME" or "route NAME"
	Reason    string            `json:"reason"`
	Attempts  int               `json:"attempts"`
	AttemptID string            `json:"attempt_id,omitempty"` // of the last attempt, if it has one
	Source    string            `json:"source"`
	Channel   string            `json:"channel"`
	Key       string            `json:"key,omitempty"`
	ID        string            `json:"id,omitempty"`
	EventTime time.Time         `json:"event_time"`
	Attrs     map[string]string `json:"attrs,omitempty"`
	Data      Payload           `json:"data"`
	// Masked is set if a transform of the route hides parts of the payload. Hidden says why nothing of it is shown.
	Masked bool   `json:"masked,omitempty"`
	Hidden string `json:"hidden,omitempty"`
	// Policy is the name of what was hidden when the event was parked: it stays hidden when the route hides other fields. "" is nothing.
	Policy string `json:"-"`
}

// Event returns the event, as its source has emitted it or a transform has made it.
func (l *Letter) Event() *event.Event {
	e := &event.Event{ID: l.ID, Source: l.Source, Channel: l.Channel, Key: l.Key, Time: l.EventTime, Data: l.Data}
	for _, name := range slices.Sorted(maps.Keys(l.Attrs)) {
		e.Attrs = append(e.Attrs, event.Attr{Name: name, Value: l.Attrs[name]})
	}
	return e
}

// SetAttrs sets Attrs to the attributes of an event.
func (l *Letter) SetAttrs(attrs []event.Attr) {
	for _, a := range attrs {
		if l.Attrs == nil {
			l.Attrs = make(map[string]string, len(attrs))
		}
		l.Attrs[a.Name] = a.Value
	}
}

// Attributes of a line in the store, beside those of every dead letter.
const (
	attrNumber = plugin.DeadLetterPrefix + "number"
	attrPlace  = plugin.DeadLetterPrefix + "place"
	attrMasked = plugin.DeadLetterPrefix + "masked"
)

// appendLine appends the letter as a line that the sink file would write for its event, with the failure in attributes.
func (l *Letter) appendLine(dst []byte) []byte {
	e := l.Event()
	e.Attrs = slices.DeleteFunc(e.Attrs, func(a event.Attr) bool { return strings.HasPrefix(a.Name, plugin.DeadLetterPrefix) })
	add := func(name, value string) {
		if value != "" {
			e.Attrs = append(e.Attrs, event.Attr{Name: name, Value: value})
		}
	}
	add(attrNumber, strconv.FormatUint(l.Number, 10))
	add(attrPlace, l.Place)
	add(attrMasked, l.Policy)
	add(plugin.DeadLetterReason, l.Reason)
	add(plugin.DeadLetterComponent, l.Component)
	add(plugin.DeadLetterAttempts, strconv.Itoa(l.Attempts))
	add(plugin.DeadLetterAttemptID, l.AttemptID)
	add(plugin.DeadLetterTime, l.Time.UTC().Format(time.RFC3339Nano))
	return event.AppendLine(dst, e)
}

// parseLine parses a line that appendLine has made.
func parseLine(line []byte) (l Letter, err error) {
	e, err := event.ParseLine(line)
	if err != nil {
		return l, err
	}
	l = Letter{Source: e.Source, Channel: e.Channel, Key: e.Key, ID: e.ID, EventTime: e.Time, Data: e.Data}
	for _, a := range e.Attrs {
		switch a.Name {
		case attrNumber:
			l.Number, err = strconv.ParseUint(a.Value, 10, 64)
		case attrPlace:
			l.Place = a.Value
		case attrMasked:
			l.Masked, l.Policy = true, a.Value
		case plugin.DeadLetterReason:
			l.Reason = a.Value
		case plugin.DeadLetterComponent:
			l.Component = a.Value
		case plugin.DeadLetterAttempts:
			l.Attempts, err = strconv.Atoi(a.Value)
		case plugin.DeadLetterAttemptID:
			l.AttemptID = a.Value
		case plugin.DeadLetterTime:
			l.Time, err = time.Parse(time.RFC3339Nano, a.Value)
		default:
			l.SetAttrs([]event.Attr{a})
		}
		if err != nil {
			return l, fmt.Errorf("attribute %s: %w", a.Name, err)
		}
	}
	return l, nil
}

// AppendLine appends the letter as a line that gateway replay reads.
func (l *Letter) AppendLine(dst []byte) []byte { return l.appendLine(dst) }

// Payload is bytes that JSON shows as text, or as "base64:..." where they are not
// UTF-8.
type Payload []byte

// MarshalText is part of [encoding.TextMarshaler].
func (p Payload) MarshalText() ([]byte, error) {
	if utf8.Valid(p) {
		return p, nil
	}
	return append([]byte(notText), base64.StdEncoding.EncodeToString(p)...), nil
}

// notText begins the text of a payload that is not UTF-8.
const notText = "base64:"

// UnmarshalText is part of [encoding.TextUnmarshaler]. A payload that is UTF-8 is itself, even where it begins as the
// text of another payload does.
func (p *Payload) UnmarshalText(text []byte) error {
	if encoded, ok := bytes.CutPrefix(text, []byte(notText)); ok {
		if data, err := base64.StdEncoding.AppendDecode(nil, encoded); err == nil && !utf8.Valid(data) {
			*p = data
			return nil
		}
	}
	*p = bytes.Clone(text)
	return nil
}
