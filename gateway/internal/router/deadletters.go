package router

import (
	"encoding/base64"
	"sync"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
)

// Bounds of the list of dead letters in memory.
const (
	maxLetters     = 1000
	maxLetterBytes = 4 << 20
)

// DeadLetter is an event that could not be delivered, and why.
type DeadLetter struct {
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

// Payload is bytes that JSON shows as text, or as "base64:..." where they are no
// UTF-8.
type Payload []byte

// MarshalText is part of [encoding.TextMarshaler].
func (p Payload) MarshalText() ([]byte, error) {
	if utf8.Valid(p) {
		return p, nil
	}
	return append([]byte("base64:"), base64.StdEncoding.EncodeToString(p)...), nil
}

// deadLetters keeps the latest dead letters in memory, for people to look at.
type deadLetters struct {
	mu    sync.Mutex
	list  []DeadLetter
	bytes int
	total uint64 // with those that newer ones have pushed out
}

func (d *deadLetters) add(e *event.Event, why letter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total++
	d.list = append(d.list, DeadLetter{
		Time: time.Now(), Component: why.component, Reason: why.err.Error(), Attempts: why.attempts,
		Source: e.Source, Channel: e.Channel, Key: e.Key, ID: e.ID, Data: e.Data,
	})
	d.bytes += len(e.Data)
	for len(d.list) > maxLetters || d.bytes > maxLetterBytes && len(d.list) > 1 {
		d.bytes -= len(d.list[0].Data)
		d.list[0] = DeadLetter{}
		d.list = d.list[1:]
	}
}

// latest returns the list, the oldest first, and how many there were in all.
func (d *deadLetters) latest() (list []DeadLetter, total uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]DeadLetter{}, d.list...), d.total
}
