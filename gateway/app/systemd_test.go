package app

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/testenv"
)

// TestFrozenRouterIsNotAlive proves that a router whose lock is held sends no more reports to the watchdog of systemd, and
// that /healthz answers 503 then.
func TestFrozenRouterIsNotAlive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "300000")
	r := startGateway(t, writeConfig(t, `
http: {listen: ":${PORT}"}
sources: {made: {type: generate, rate: 10}}
sinks: {out: {type: websocket}}
routes: {all: {from: [made], to: [out]}}
`), nil)
	alive := func(within time.Duration) bool {
		conn.SetReadDeadline(time.Now().Add(within))
		for b := make([]byte, 1024); ; {
			n, err := conn.Read(b)
			if err != nil {
				return false
			}
			if strings.HasPrefix(string(b[:n]), "WATCHDOG=1\n") {
				return true
			}
		}
	}
	if !alive(testenv.Wait) {
		t.Fatal("no report")
	}
	holds, release, reloaded := make(chan struct{}), make(chan struct{}), make(chan error)
	plan, err := r.router.Plan(r.cfg.Graph, httpserver.NewTable())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		reloaded <- r.router.Reload(context.Background(), plan, func() { close(holds); <-release })
	}()
	<-holds
	health := make(chan int, 1)
	go func() {
		resp, err := http.Get("http://127.0.0.1:" + r.port + "/healthz")
		if err != nil {
			t.Error(err)
			health <- 0
			return
		}
		resp.Body.Close()
		health <- resp.StatusCode
	}()
	alive(10 * time.Millisecond) // one may have been sent before
	for alive(10 * time.Millisecond) {
	}
	if alive(time.Second) { // beyond the limit of the watchdog
		t.Error("a frozen router is reported as alive")
	}
	if status := <-health; status != http.StatusServiceUnavailable {
		t.Errorf("/healthz answers %d", status)
	}
	close(release)
	if err := <-reloaded; err != nil {
		t.Error(err)
	}
	if !alive(testenv.Wait) {
		t.Error("no report after the router goes on")
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestGatewayStartsWithoutServer proves that systemd does not wait for ever for a source that cannot connect.
func TestGatewayStartsWithoutServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	defer func(patience time.Duration) { startPatience = patience }(startPatience)
	startPatience = 100 * time.Millisecond
	startUnready(t, defaultConfig, map[string]string{"DATABASE_URL": "postgres://127.0.0.1:1/orders", "REDIS_URL": "redis://127.0.0.1:1"})
	conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	for b, got := make([]byte, 1024), ""; got != "READY=1"; {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("not ready: %v", err)
		}
		if got = string(b[:n]); strings.HasPrefix(got, "WATCHDOG=1") && strings.Contains(got, "STATUS=ok") {
			t.Errorf("status: %q", got)
		}
	}
}

// TestHealthLine proves that the status of systemd is one line with the first reason.
func TestHealthLine(t *testing.T) {
	reasons := []stats.Reason{{Component: "sink bus", Text: "down: no\nroute"}, {Component: "route all"}}
	for want, h := range map[string]stats.GatewayHealth{
		"ok": {State: "ok"},
		"degraded: sink bus: down: no route (and 1 more)": {State: "degraded", Reasons: reasons},
	} {
		if got := healthLine(h); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
