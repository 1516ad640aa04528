package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// line is an event as a line of JSON. Data holds the payload as text, so that parsing returns
// the same bytes; Base64 holds payloads that are not UTF-8.
type line struct {
	Time    time.Time         `json:"time"`
	ID      string            `json:"id,omitempty"`
	Source  string            `json:"source,omitempty"`
	Channel string            `json:"channel,omitempty"`
	Key     string            `json:"key,omitempty"`
	Attrs   map[string]string `json:"attrs,omitempty"`
	Data    *string           `json:"data,omitempty"`
	Base64  []byte            `json:"data_base64,omitempty"`
}

// AppendLine appends the whole event as one line of JSON, with its line break.
func AppendLine(dst []byte, e *Event) []byte {
	l := line{Time: e.Time, ID: e.ID, Source: e.Source, Channel: e.Channel, Key: e.Key}
	for _, a := range e.Attrs {
		if l.Attrs == nil {
			l.Attrs = map[string]string{}
		}
		l.Attrs[a.Name] = a.Value
	}
	if utf8.Valid(e.Data) {
		text := string(e.Data)
		l.Data = &text
	} else {
		l.Base64 = e.Data
	}
	return appendJSON(dst, l)
}

// ParseLine parses a line that [AppendLine] has written. It returns an error for anything else.
func ParseLine(text []byte) (*Event, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("is not an event as the sink file writes it: %w", err)
	}
	e := &Event{ID: l.ID, Source: l.Source, Channel: l.Channel, Key: l.Key, Time: l.Time, Data: l.Base64}
	switch {
	case l.Data != nil:
		e.Data = []byte(*l.Data)
	case l.Base64 == nil:
		return nil, errors.New("is not an event as the sink file writes it: data is missing")
	}
	for _, name := range slices.Sorted(maps.Keys(l.Attrs)) {
		e.Attrs = append(e.Attrs, Attr{name, l.Attrs[name]})
	}
	return e, nil
}

// AppendPayloadLine appends a payload as one line of JSON, with its line break: JSON
// without white space between its tokens, anything else as a JSON string.
func AppendPayloadLine(dst []byte, data []byte) []byte {
	buf := bytes.NewBuffer(dst)
	if json.Compact(buf, data) == nil {
		return append(buf.Bytes(), '\n')
	}
	return appendJSON(dst, string(data))
}

// appendJSON appends v and a line break, and does not escape for HTML.
func appendJSON(dst []byte, v any) []byte {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // text, times and bytes always encode
	return buf.Bytes()
}
