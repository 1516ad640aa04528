package websocket

import (
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestSlowClientIsToldWhy: one that is too far behind, and then goes on reading,
// finds whole frames and a close code that says so.
func TestSlowClientIsToldWhy(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.MaxLag.Events = 5000 }, httptest.NewServer)
	slow := dial(t, server, nil)
	awaitClients(t, s, 1)
	c := s.all()[0]
	payload := strings.Repeat("x", 2000)
	batch := slices.Repeat([]string{payload}, 500)
	for sent := 0; !c.sentAway(); sent += len(batch) {
		if sent > 100_000 {
			t.Fatal("it is never disconnected")
		}
		s.write(t, batch...)
	}
	for {
		_, msg, err := slow.ReadMessage()
		if err == nil && string(msg) == payload {
			continue
		}
		if !websocket.IsCloseError(err, closeSlow) || !strings.Contains(err.Error(), "too slow: ") {
			t.Errorf("it ended with %q, %v; want close code 1013 and the reason", msg, err)
		}
		break
	}
	awaitClients(t, s, 0)
}

// TestSentAwayClientKeepsNothing: the log of a client that never reads goes when it
// is sent away, and not only when its connection ends at last.
func TestSentAwayClientKeepsNothing(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.MaxLag.Events, o.History.Events = 100, 0 }, httptest.NewServer)
	dial(t, server, nil)
	awaitClients(t, s, 1)
	c := s.all()[0]
	var at *chunk
	batch := slices.Repeat([]string{strings.Repeat("x", 60_000)}, 10)
	for !c.sentAway() {
		c.mu.Lock()
		at = c.position.at
		c.mu.Unlock()
		s.write(t, batch...)
	}
	gone := make(chan struct{})
	runtime.AddCleanup(at, func(gone chan struct{}) { close(gone) }, gone)
	for {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-c.finished:
			t.Fatal("the log is kept until the connection ends")
		case <-time.After(time.Millisecond): // the cleanup runs soon after the collection
		}
	}
}

func (c *client) sentAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason == "slow"
}
