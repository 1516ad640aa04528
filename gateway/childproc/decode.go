package childproc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// Message is a line of output after the first one.
type Message struct {
	Ack     *uint64         `json:"ack"`
	Nack    *uint64         `json:"nack"`
	Emit    *uint64         `json:"emit"`
	Gap     *string         `json:"gap"`
	Warning *string         `json:"warning"`
	Events  []Event         `json:"events"`
	Failed  []Failed        `json:"failed"`
	State   json.RawMessage `json:"state"`
	Failure
}

// Failure is why a batch, or one event of it, was not delivered.
type Failure struct {
	Error       string  `json:"error"`
	Permanent   bool    `json:"permanent"`
	Unavailable bool    `json:"unavailable"`
	RetryAfter  float64 `json:"retry_after"` // in seconds
}

// Failed is the failure of one event.
type Failed struct {
	Index int `json:"index"`
	Failure
}

// Event is an event of a program's output. Absent fields are nil.
type Event struct {
	Of      *int              `json:"of"`
	ID      *string           `json:"id"`
	Key     *string           `json:"key"`
	Channel *string           `json:"channel"`
	Source  *string           `json:"source"` // ignored: programs may send back what they got
	Time    *time.Time        `json:"time"`
	Attrs   map[string]string `json:"attrs"`
	Data    json.RawMessage   `json:"data"`
	Base64  []byte            `json:"data_base64"`
}

// maxErrorText bounds the text of an error, in bytes. More is cut off.
const maxErrorText = 1 << 10

// Parse parses a line of output. Its error is a violation of the protocol.
func Parse(line []byte) (m Message, err error) {
	if n, ok := plainAck(line); ok {
		return Message{Ack: &n}, nil
	}
	if err := decode(line, &m); err != nil {
		return m, err
	}
	kinds := 0
	for _, is := range []bool{m.Ack != nil, m.Nack != nil, m.Emit != nil, m.Gap != nil, m.Warning != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return m, Violation("the line %s has %d of the keys ack, nack, emit, gap and warning: write one", excerpt(line), kinds)
	case m.Nack != nil && m.Error == "":
		return m, Violation("the line %s has no error: write the cause", excerpt(line))
	}
	for i, f := range m.Failed {
		if f.Error == "" {
			return m, Violation("the entry %d of failed has no error: write the cause", i)
		}
	}
	return m, nil
}

// plainAck parses {"ack":N}, with or without a space.
func plainAck(line []byte) (n uint64, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"ack":`))
	if !ok {
		return 0, false
	}
	rest, ok = bytes.CutSuffix(bytes.TrimSpace(rest), []byte("}"))
	if !ok || len(rest) > 19 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(rest), 10, 64)
	return n, err == nil
}

func decode(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && len(bytes.TrimSpace(line[d.InputOffset():])) > 0 {
		err = errors.New("more follows behind the object")
	}
	if err != nil {
		return Violation("the line %s is not a message of the protocol: %w", excerpt(line), err)
	}
	return nil
}

func checkReady(line []byte) error {
	var m struct {
		Ready *int `json:"ready"`
	}
	if err := decode(line, &m); err != nil {
		return err
	}
	if m.Ready == nil || *m.Ready != Version {
		return Violation(`the first line is %s: write {"ready":%d}`, excerpt(line), Version)
	}
	return nil
}

// excerpt returns the beginning of a line, quoted.
func excerpt(line []byte) string {
	const longest = 80
	if len(line) > longest {
		return strconv.Quote(string(line[:longest])) + "..."
	}
	return strconv.Quote(string(line))
}

// Err returns the failure as an error, marked as package plugin defines it.
func (f Failure) Err() error {
	text := f.Error
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "..."
	}
	err := errors.New(text)
	switch {
	case f.Permanent:
		return plugin.Permanent(err)
	case f.Unavailable:
		return plugin.Unavailable(err)
	case f.RetryAfter > 0:
		return plugin.RetryAfter(err, time.Duration(min(f.RetryAfter, 1e9)*float64(time.Second)))
	}
	return err
}

// Failures returns the failures by index, of a batch of n events.
func (m *Message) Failures(n int) (map[int]error, error) {
	if len(m.Failed) == 0 {
		return nil, nil
	}
	out := make(map[int]error, len(m.Failed))
	for _, f := range m.Failed {
		if f.Index < 0 || f.Index >= n {
			return nil, Violation("failed names the event %d, and the batch has %d: count from 0", f.Index, n)
		}
		out[f.Index] = f.Err()
	}
	return out, nil
}

// Apply sets on e what the program has written. It reports whether that includes a payload.
func (w *Event) Apply(e *event.Event) (payload bool, err error) {
	set := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	set(&e.ID, w.ID)
	set(&e.Key, w.Key)
	set(&e.Channel, w.Channel)
	if w.Time != nil {
		e.Time = *w.Time
	}
	if w.Attrs != nil {
		e.Attrs = make([]event.Attr, 0, len(w.Attrs))
		for _, name := range slices.Sorted(maps.Keys(w.Attrs)) {
			e.Attrs = append(e.Attrs, event.Attr{Name: name, Value: w.Attrs[name]})
		}
	}
	switch {
	case w.Base64 != nil:
		e.Data = w.Base64
	case len(w.Data) == 0:
		return false, nil
	case w.Data[0] == '"':
		var text string
		if err := json.Unmarshal(w.Data, &text); err != nil {
			return false, fmt.Errorf("data: %w", err)
		}
		e.Data = event.StringData(text)
	default:
		e.Data = w.Data
	}
	return true, nil
}

// Outputs returns the events of an answer of a transform, by the index of the event that they were made of. Its error is a violation of the protocol.
func (m *Message) Outputs(events []*event.Event) (each [][]*event.Event, err error) {
	each = make([][]*event.Event, len(events))
	last := 0
	for i := range m.Events {
		w, of := &m.Events[i], 0
		switch {
		case w.Of != nil:
			of = *w.Of
		case len(events) > 1:
			return nil, Violation("the event %d of the answer has no of: write the index of the event that it was made of", i)
		}
		if of < last || of >= len(events) {
			return nil, Violation("the event %d of the answer has of: %d: write indexes in ascending order, below %d", i, of, len(events))
		}
		last = of
		made := events[of].WithData(events[of].Data)
		if _, err := w.Apply(made); err != nil {
			return nil, Violation("the event %d of the answer: %w", i, err)
		}
		each[of] = append(each[of], made)
	}
	return each, nil
}
