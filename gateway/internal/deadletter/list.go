package deadletter

import (
	"bytes"
	"encoding/base64"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// Bounds of the list in memory.
const (
	maxLetters     = 1000
	maxLetterBytes = 4 << 20
)

// Letter is an event that could not be delivered, and why.
type Letter struct {
	Number    uint64            `json:"number"` // from 1 on, since the start of the gateway
	Time      time.Time         `json:"time"`
	Component string            `json:"component"`
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
}

// Event returns the event, as its source has emitted it or a transform has made it.
func (l *Letter) Event() *event.Event {
	e := &event.Event{ID: l.ID, Source: l.Source, Channel: l.Channel, Key: l.Key, Time: l.EventTime, Data: l.Data}
	for _, name := range slices.Sorted(maps.Keys(l.Attrs)) {
		e.Attrs = append(e.Attrs, event.Attr{Name: name, Value: l.Attrs[name]})
	}
	return e
}

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

// List keeps the latest dead letters in memory, for people to look at: 1000 or 4 MiB of payload at most.
type List struct {
	mu    sync.Mutex
	list  []Letter
	bytes int
	total uint64 // with those that newer ones have replaced
}

func (l *List) add(e *event.Event, f Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total++
	var attrs map[string]string
	for _, a := range e.Attrs {
		if attrs == nil {
			attrs = map[string]string{}
		}
		attrs[a.Name] = a.Value
	}
	l.list = append(l.list, Letter{
		Number: l.total, Time: time.Now(), Component: f.Component, Reason: f.Err.Error(), Attempts: f.Attempts, AttemptID: plugin.AttemptID(f.Err),
		Source: e.Source, Channel: e.Channel, Key: e.Key, ID: e.ID, EventTime: e.Time, Attrs: attrs, Data: e.Data,
	})
	l.bytes += len(e.Data)
	for len(l.list) > maxLetters || l.bytes > maxLetterBytes && len(l.list) > 1 {
		l.bytes -= len(l.list[0].Data)
		l.list[0] = Letter{}
		l.list = l.list[1:]
	}
}

// Latest returns the list, the oldest first, and how many there were in all.
func (l *List) Latest() (letters []Letter, total uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Letter{}, l.list...), l.total
}
