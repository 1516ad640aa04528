package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// presence is a client of a gateway that watches a channel.
type presence struct {
	t    *testing.T
	conn *websocket.Conn
}

func watchPresence(t *testing.T, p *program) presence {
	t.Helper()
	conn, _, err := (&websocket.Dialer{Subprotocols: []string{"eventgateway.v2"}}).Dial(fmt.Sprintf("ws://127.0.0.1:%s/?channel=room:1&presence=true", p.port), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return presence{t, conn}
}

// await reads until the channel has a number of clients.
func (p presence) await(clients int) {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	for {
		_, text, err := p.conn.ReadMessage()
		if err != nil {
			p.t.Fatalf("waiting for %d clients: %v", clients, err)
		}
		var m struct {
			Type    string
			Clients int
			Partial bool
		}
		if json.Unmarshal(text, &m) == nil && m.Type == "presence" && m.Clients == clients && !m.Partial {
			return
		}
	}
}

// TestPresenceOfAKilledGateway proves that the clients of a gateway that was killed count for ten seconds at most, and that
// one that starts in its place counts at once.
func TestPresenceOfAKilledGateway(t *testing.T) {
	server, _ := testenv.StartRedis(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, config, fmt.Sprintf(`
http: {listen: "127.0.0.1:${PORT}"}
sources:
  made: {type: generate, rate: 1}
sinks:
  browsers: {type: websocket, path: /, presence: {channels: ["room:*"], linger: 1s, redis: %q}}
routes:
  all: {from: [made], to: [browsers]}
`, server.URL()))
	start := func() *program {
		p := startBinary(t, nil, "-c", config)
		p.awaitReady()
		return p
	}
	one, two := start(), start()
	a := watchPresence(t, one)
	a.await(1)
	watchPresence(t, two).await(2)
	a.await(2)
	if err := two.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	two.exit(testenv.Wait)
	a.await(1)
	if gone := time.Since(begin); gone > 10*time.Second+testenv.Wait/3 {
		t.Errorf("gone after %v", gone)
	}
	three := start()
	watchPresence(t, three).await(2)
	a.await(2)
	three.cmd.Process.Signal(syscall.SIGTERM)
	three.exit(testenv.Wait)
	a.await(1)
}
