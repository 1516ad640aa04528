package websocket

import (
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestTooLargeMessageClosesWithItsCode: a message larger than max_message closes the client with code 1009.
func TestTooLargeMessageClosesWithItsCode(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.MaxMessage = 1000 }, httptest.NewServer)
	conn := dial(t, server, nil)
	awaitClients(t, s, 1)
	if err := conn.WriteMessage(websocket.TextMessage, make([]byte, 1001)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("ended with %v, want 1009", err)
	}
	awaitClients(t, s, 0)
}

// TestPingFloodDisconnects: a client that sends pings and never reads is disconnected.
func TestPingFloodDisconnects(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.WriteTimeout = options.Duration(500 * time.Millisecond) }, httptest.NewServer)
	conn := dial(t, server, nil)
	awaitClients(t, s, 1)
	ping := []byte(`{"type":"ping","timestamp":"` + strings.Repeat("x", 3000) + `"}`)
	for range 100_000 {
		conn.SetWriteDeadline(time.Now().Add(testenv.Wait))
		if err := conn.WriteMessage(websocket.TextMessage, ping); err != nil {
			awaitClients(t, s, 0)
			return
		}
	}
	t.Error("still connected after 100,000 pings")
}

// TestInvalidBytesEndOnlyTheirClient: bytes that are not WebSocket end only the client that sends them.
func TestInvalidBytesEndOnlyTheirClient(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	good := dial(t, server, nil)
	for _, junk := range []string{
		"\x81\x05hello",                                            // not masked
		"\x83\x80\x00\x00\x00\x00",                                 // reserved opcode
		"\xf1\x80\x00\x00\x00\x00",                                 // reserved bits
		"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff",                 // longer than any message
		"\x09\xff\x00\x00\x00\x00",                                 // fragmented ping
		"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", // 2^63-1
		"\x80\x80\x00\x00\x00\x00" + "\x80\x80\x00\x00",            // continuation of nothing
	} {
		raw, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(raw, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		raw.SetDeadline(time.Now().Add(testenv.Wait))
		answer := make([]byte, 12)
		if _, err := io.ReadFull(raw, answer); err != nil || string(answer) != "HTTP/1.1 101" {
			t.Fatalf("handshake: %q, %v", answer, err)
		}
		if _, err := io.WriteString(raw, junk); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, raw); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%q: the connection is not closed: %v", junk, err)
		}
		raw.Close()
	}
	awaitClients(t, s, 1)
	s.write(t, "fine")
	if got := read(t, good); got != "fine" {
		t.Errorf("got %s", got)
	}
}

// TestSlowloris: 500 connections that never complete their request delay no other client.
func TestSlowloris(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	for range 500 {
		raw, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		fmt.Fprint(raw, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nX-A: ")
	}
	good := dial(t, server, nil)
	awaitClients(t, s, 1)
	s.write(t, "fine")
	if got := read(t, good); got != "fine" {
		t.Errorf("got %s", got)
	}
}
