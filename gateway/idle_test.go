package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const idleConfig = `
http: {listen: ":${PORT}"}
sources: {never: {type: generate, rate: 1, count: 1}}
sinks: {browsers: {type: websocket, ping: "${PING}"}}
routes: {all: {from: [never], to: [browsers]}}
`

// TestIdleClientsStayConnected proves that clients without events stay connected. It logs their memory. IDLE_CLIENTS
// and IDLE_SECONDS set its size.
func TestIdleClientsStayConnected(t *testing.T) {
	clients, seconds := times("IDLE_CLIENTS", 300), times("IDLE_SECONDS", 3)
	file := filepath.Join(t.TempDir(), "idle.yaml")
	writeFile(t, file, idleConfig)
	ping := "25s"
	if seconds < 60 {
		ping = "500ms"
	}
	p := startBinary(t, map[string]string{"PING": ping}, "-c", file)
	p.awaitReady()
	before := resident(t, p.cmd.Process.Pid)
	var lost atomic.Int64
	var pings atomic.Int64
	dialer := websocket.Dialer{ReadBufferSize: 256, WriteBufferSize: 256}
	for range clients {
		conn, _, err := dialer.Dial("ws://127.0.0.1:"+p.port+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		answer := conn.PingHandler()
		conn.SetPingHandler(func(text string) error { pings.Add(1); return answer(text) })
		go func() {
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					lost.Add(1)
					return
				}
			}
		}()
	}
	p.awaitMetric(fmt.Sprintf(`gateway_websocket_clients{sink="browsers"} %d`, clients))
	time.Sleep(time.Duration(seconds) * time.Second) // idling is what is tested
	if n := lost.Load(); n != 0 {
		t.Errorf("%d of %d clients were disconnected", n, clients)
	}
	_, metrics := p.get("/metrics")
	if !containsLine(metrics, fmt.Sprintf(`gateway_websocket_clients{sink="browsers"} %d`, clients)) || disconnected.MatchString(metrics) {
		t.Error("the gateway has disconnected clients")
	}
	if pings.Load() < int64(clients) {
		t.Errorf("%d pings for %d clients", pings.Load(), clients)
	}
	t.Logf("%d clients for %d s: %.1f KiB of resident memory each, %d pings", clients, seconds, float64(resident(t, p.cmd.Process.Pid)-before)/float64(clients), pings.Load())
}

// disconnected matches the metrics where a client was disconnected.
var disconnected = regexp.MustCompile(`(?m)^gateway_websocket_disconnects_total\{.*\} [^0]`)

// resident returns the resident memory of a process in KiB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n := 0
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
