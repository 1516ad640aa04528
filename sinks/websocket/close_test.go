package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestCloseIsAnswered: a close frame of a client is answered with its code.
func TestCloseIsAnswered(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	conn := dial(t, server, nil)
	awaitClients(t, s, 1)
	if err := conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		t.Errorf("ended with %v, want the echo of 1000", err)
	}
	awaitClients(t, s, 0)
}

// TestCloseDeliversLog: Close sends the rest of the log, and then a close frame. It cuts a client that does not read
// when its context ends.
func TestCloseDeliversLog(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	good := dial(t, server, nil)
	awaitClients(t, s, 1)
	const n = 3000
	for i := range n {
		s.write(t, fmt.Sprint(i, strings.Repeat("z", 1000)))
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close(testenv.Context(t)) }()
	for i := range n {
		if got := read(t, good); !strings.HasPrefix(got, fmt.Sprint(i, "z")) {
			t.Fatalf("message %d is %.20q", i, got)
		}
	}
	if _, _, err := good.ReadMessage(); !websocket.IsCloseError(err, closeRestart) {
		t.Errorf("ended with %v, want 1012", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a request after Close is answered with %d", resp.StatusCode)
	}
}

// TestClosedClientsAreRemoved: a client that has closed its connection is removed, also if no event ever comes.
func TestClosedClientsAreRemoved(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	for range 20 {
		conn := dial(t, server, nil)
		awaitClients(t, s, 1)
		conn.Close()
		awaitClients(t, s, 0)
	}
	s.hub.main.log.mu.Lock()
	defer s.hub.main.log.mu.Unlock()
	if n := len(s.hub.main.log.idle); n != 0 {
		t.Errorf("%d closed clients remain", n)
	}
}

// TestCloseDrainsFilters: events that were written before Close reach clients of filters.
func TestCloseDrainsFilters(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialProtocol(t, server, url.Values{"filter": {"n % 2 == 0"}})
	s.send(t, orders(0, 5000)...)
	closed := make(chan error, 1)
	go func() { closed <- s.Close(testenv.Context(t)) }()
	var err error
	for err == nil {
		err = f.read()
	}
	if !websocket.IsCloseError(err, closeRestart) || len(f.got) != 2500 {
		t.Errorf("%d messages, then %v", len(f.got), err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestCloseIsNotDelayedByEvaluation: Close returns in time while a feeder evaluates, and while a client waits for its
// topic.
func TestCloseIsNotDelayedByEvaluation(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	release := make(chan struct{})
	defer close(release)
	f := s.hub.feeders[filterFeeder]
	f.do(func() { <-release }) // stands for an evaluation
	s.write(t, `{"n":1}`)
	answered := make(chan int, 1)
	go func() {
		_, status := connect(server, "filter=n%3D%3D1", nil)
		answered <- status
	}()
	testenv.Eventually(t, testenv.Wait, "a client that waits", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.requests) > 0
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.Close(ctx) }()
	select {
	case err := <-closed:
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(testenv.Wait):
		t.Fatal("Close waits for the evaluation")
	}
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("the waiting client is answered with %d", status)
	}
}

// TestCloseSpreadsDisconnects: Close disconnects the clients one after the other.
func TestCloseSpreadsDisconnects(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.Farewell = options.Duration(100 * time.Millisecond) }, httptest.NewServer)
	const n = 200
	ended := make(chan time.Time, n)
	for i := range n {
		conn := dial(t, server, nil)
		go func() {
			_, _, err := conn.ReadMessage()
			if !websocket.IsCloseError(err, closeRestart) {
				t.Errorf("client %d ended with %v", i, err)
			}
			ended <- time.Now()
		}()
	}
	awaitClients(t, s, n)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Wait)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	early := 0
	for range n {
		if at := <-ended; at.Sub(begin) < 50*time.Millisecond {
			early++
		}
	}
	if early > 3*n/4 {
		t.Errorf("%d of %d clients were disconnected in the first half of the time", early, n)
	}
}
