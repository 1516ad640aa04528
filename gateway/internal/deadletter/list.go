package deadletter

import (
	"encoding/base64"
	"sync"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
)

// Bounds of the list in memory.
const (
	maxLetters     = 1000
	maxLetterBytes = 4 << 20
)

// Letter is an event that could not be delivered, and why.
type Letter struct {
	Time      time.Time `json:"time"`
	Component string    `json:"component"`
	Reason    string    `json:"reason"`
	Attempts  int       `json:"attempts"`
	Source    string    `json:"source"`
	Channel   string    `json:"channel"`
	Key       string    `json:"key,omitempty"`
	ID        string    `json:"id,omitempty"`
	Data      Payload   `json:"data"`
}

// Payload is bytes that JSON shows as text, or as "base64:..." where they are not
// UTF-8.
type Payload []byte

// MarshalText is part of [encoding.TextMarshaler].
func (p Payload) MarshalText() ([]byte, error) {
	if utf8.Valid(p) {
		return p, nil
	}
	return append([]byte("base64:"), base64.StdEncoding.EncodeToString(p)...), nil
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
	l.list = append(l.list, Letter{
		Time: time.Now(), Component: f.Component, Reason: f.Err.Error(), Attempts: f.Attempts,
		Source: e.Source, Channel: e.Channel, Key: e.Key, ID: e.ID, Data: e.Data,
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
