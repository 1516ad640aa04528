package main

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"eventgateway/gateway/event"
)

// shopSecret signs the requests to the shop.
const shopSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// shop is the HTTP endpoint of TestChaos. One request in five fails, in one of several ways, and one in a
// hundred after a long time. It writes accepted events to a file, as the file sinks of the gateways do.
type shop struct {
	t      *testing.T
	verify *standardwebhooks.Webhook

	mu  sync.Mutex
	out *os.File
}

func startShop(t *testing.T, dir string) (url string) {
	t.Helper()
	s := &shop{t: t}
	var err error
	if s.verify, err = standardwebhooks.NewWebhook(shopSecret); err != nil {
		t.Fatal(err)
	}
	if s.out, err = os.Create(filepath.Join(dir, "shop")); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		s.out.Close()
	})
	return server.URL
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil { // the gateway was killed
		return
	}
	if err := s.verify.Verify(body, r.Header); err != nil {
		s.t.Errorf("wrong signature: %v", err)
	}
	if rand.IntN(100) == 0 { // so that leaders are lost during a request
		time.Sleep(time.Duration(500+rand.IntN(2000)) * time.Millisecond)
		http.Error(w, "not any more", http.StatusInternalServerError)
		return
	}
	fault := rand.IntN(20) // without the seed, since the order of requests is not repeatable
	if fault < 2 {
		http.Error(w, "not now", http.StatusInternalServerError)
		return
	}
	if fault != 2 {
		s.mu.Lock()
		line := event.AppendLine(nil, &event.Event{ID: r.Header.Get("Webhook-Id"), Key: r.Header.Get("X-Key"), Data: body})
		if _, err := s.out.Write(line); err != nil {
			s.t.Error(err)
		}
		s.mu.Unlock()
	}
	if fault < 4 { // not accepted, or accepted and not answered
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0) // RST
			conn.Close()
		}
	}
}
