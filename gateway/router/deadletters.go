package router

import (
	"encoding/base64"
	"log/slog"
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
	log *slog.Logger

	mu    sync.Mutex
	list  []DeadLetter
	bytes int
}

func (d *deadLetters) park(component string, e *event.Event, err error, attempts int) {
	d.log.Error("event parked as a dead letter", "component", component, "error", err, "attempts", attempts, "channel", e.Channel, "bytes", len(e.Data))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, DeadLetter{
		Time: time.Now(), Component: component, Reason: err.Error(), Attempts: attempts,
		Source: e.Source, Channel: e.Channel, ID: e.ID, Data: e.Data,
	})
	d.bytes += len(e.Data)
	for len(d.list) > maxLetters || d.bytes > maxLetterBytes && len(d.list) > 1 {
		d.bytes -= len(d.list[0].Data)
		d.list[0] = DeadLetter{}
		d.list = d.list[1:]
	}
}

// latest returns the list, the oldest first.
func (d *deadLetters) latest() []DeadLetter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]DeadLetter{}, d.list...)
}
