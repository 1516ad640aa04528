package app

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/testenv"
)

const adminConfig = `
http: {listen: "127.0.0.1:${PORT}", admin: {token: "${TOKEN:-}", listen: "${ADMIN:-}"}}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [c]}}
sinks: {out: {type: websocket}}
routes: {r: {from: [bus], to: [out]}}
`

// TestStatusListsGraph proves that the status has all components and their counts, and that the other paths of admin
// answer.
func TestStatusListsGraph(t *testing.T) {
	redis := testenv.RedisClient(t)
	r := startGateway(t, defaultConfig, nil)
	c := r.connect()
	if err := redis.Publish(testenv.Context(t), "orders_updates", "x").Err(); err != nil {
		t.Fatal(err)
	}
	c.next()
	code, body := r.get("/api/status")
	var status admin.Overview
	if err := json.Unmarshal([]byte(body), &status); err != nil || code != 200 {
		t.Fatalf("%d, %v: %s", code, err, body)
	}
	if len(status.Sources) != 2 || len(status.Routes) != 2 || len(status.Sinks) != 2 || status.Sources[1].Emitted != 1 || !status.Sources[1].Up {
		t.Errorf("%s", body)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/api/dead-letters": 200, "/api/nothing": 404, "/": 200, "/nothing": 404} {
		if code, body := r.get(path); code != want {
			t.Errorf("%s answers %d %s, want %d", path, code, body, want)
		}
	}
}

// TestAPINeedsSecret proves that /api needs the secret whatever the Host and the address of the peer are.
func TestAPINeedsSecret(t *testing.T) {
	ask := func(port, host, token string) int {
		req, err := http.NewRequest("GET", "http://127.0.0.1:"+port+"/api/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	open := startGateway(t, writeConfig(t, adminConfig), nil)
	for _, host := range []string{"localhost", "127.0.0.1:" + open.port, "[::1]:1", "evil.example", "localhost.evil.example", "10.0.0.1"} {
		for token, want := range map[string]int{"": 401, "wrong": 401, open.secret(): 200} {
			if got := ask(open.port, host, token); got != want {
				t.Errorf("host %s: %d, want %d", host, got, want)
			}
		}
	}
	req, err := http.NewRequest("GET", "http://127.0.0.1:"+open.port+"/api/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "203.0.113.7")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("through a proxy: %d", resp.StatusCode)
	}
	guarded := startGateway(t, writeConfig(t, adminConfig), map[string]string{"TOKEN": "s3cret of operators"})
	for token, want := range map[string]int{"": 401, "wrong": 401, "s3cret of operators": 200} {
		if got := ask(guarded.port, "gateway.example", token); got != want {
			t.Errorf("with token %q: %d, want %d", token, got, want)
		}
	}
	port := strconv.Itoa(testenv.FreePort(t))
	separate := startGateway(t, writeConfig(t, adminConfig), map[string]string{"ADMIN": "127.0.0.1:" + port})
	for host, want := range map[string]int{"localhost": 200, "gateway.example": 403} {
		if got := ask(port, host, ""); got != want {
			t.Errorf("admin listener, host %s: %d, want %d", host, got, want)
		}
	}
	if got := ask(separate.port, "localhost", ""); got == 200 {
		t.Error("the shared listener serves /api")
	}
}
