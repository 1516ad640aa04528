package app

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/testenv"
)

// limitsConfig has short limits for requests and answers.
const limitsConfig = `
http: {listen: "127.0.0.1:${PORT}", limits: {connections: 3, header: 200ms, read: 200ms, write: 200ms, idle: 200ms}}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [limits]}}
sinks: {out: {type: websocket}}
routes: {r: {from: [bus], to: [out]}}
`

// TestRequestLimitsDoNotEndClients proves that the limits of requests do not end idle WebSocket and SSE
// clients.
func TestRequestLimitsDoNotEndClients(t *testing.T) {
	redis := testenv.RedisClient(t)
	r := startGateway(t, writeConfig(t, limitsConfig), nil)
	c := r.dial()
	req, err := http.NewRequest("GET", "http://127.0.0.1:"+r.port+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	testenv.Eventually(t, testenv.Wait, "two clients", func() bool { return strings.Contains(r.metrics(), `gateway_websocket_clients{sink="out"} 2`) })
	time.Sleep(time.Second) // several times as long as the limits, after which clients must still be connected
	if err := redis.Publish(testenv.Context(t), "limits", "late").Err(); err != nil {
		t.Fatal(err)
	}
	if got := c.next(); got != "late" {
		t.Errorf("WebSocket: %s", got)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && lines.Text() != "data: late" {
	}
	if lines.Err() != nil || lines.Text() != "data: late" {
		t.Errorf("server-sent events: %q, %v", lines.Text(), lines.Err())
	}
}

// TestClientsCountAsConnections proves that clients beyond the limit get 503, and that the paths of operators
// still answer.
func TestClientsCountAsConnections(t *testing.T) {
	r := startGateway(t, writeConfig(t, limitsConfig), nil)
	var clients []*client
	for range 3 {
		clients = append(clients, r.dial())
	}
	resp := send(t, "GET", "http://127.0.0.1:"+r.port+"/", "", http.Header{"Accept": {"text/event-stream"}})
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s", resp.Status)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/status"} {
		if code, body := r.get(path); code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if got := r.metrics(); !strings.Contains(got, `gateway_http_refused_total{listener="shared",reason="connections"} 1`) {
		t.Errorf("metrics: %s", got)
	}
	clients[0].Close()
	testenv.Eventually(t, testenv.Wait, "room for a client", func() bool {
		return send(t, "GET", "http://127.0.0.1:"+r.port+"/", "", http.Header{"Connection": {"close"}}).StatusCode == http.StatusOK
	})
}

// TestConnectionLimitIsBoundedByDescriptors proves that http.limits.connections does not exceed the limit of open
// files.
func TestConnectionLimitIsBoundedByDescriptors(t *testing.T) {
	r := startGateway(t, writeConfig(t, limitsConfig), nil)
	possible, _ := httpserver.Divide(httpserver.Descriptors(), false)
	for asked, want := range map[int]int{0: possible.Connections, 3: 3, possible.Connections + 1: possible.Connections} {
		r.cfg.HTTP.Limits.Connections = asked
		if shared, _ := r.limits(); shared.Connections != want {
			t.Errorf("%d are asked for: %d, want %d", asked, shared.Connections, want)
		}
	}
}
