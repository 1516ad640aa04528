package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

const accessLogConfig = `
http:
  listen: "127.0.0.1:${PORT}"
  admin: {listen: "127.0.0.1:${ADMIN}", users: {reader: {password: "${READER}", role: read}}}
log: {access: true}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [c]}}
sinks:
  browsers: {type: websocket, auth: {query: access_token, tokens: {shop: a-token-of-the-shop}}, limits: {trusted_proxies: [127.0.0.1]}}
routes: {r: {from: [bus], to: [browsers]}}
`

// TestAccessLogNamesUsers proves that the access log of both listeners names users and roles, that a WebSocket has its line at its
// end with the reason, and that a reload turns the log off.
func TestAccessLogNamesUsers(t *testing.T) {
	env := map[string]string{"ADMIN": fmt.Sprint(testenv.FreePort(t)), "READER": hashOf(t, "r3ad"), "REDIS_URL": testenv.Redis(t).URL()}
	file := writeConfig(t, accessLogConfig)
	r := startGateway(t, file, env)
	send(t, "GET", "http://127.0.0.1:"+env["ADMIN"]+"/api/status", "", basic("reader", "r3ad"))
	header := http.Header{"X-Forwarded-For": {"198.51.100.7"}}
	conn, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:"+r.port+"/?access_token=a-token-of-the-shop", header)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	stream := send(t, "GET", "http://127.0.0.1:"+r.port+"/orders?access_token=wrong", "", http.Header{"Accept": {"text/event-stream"}, "X-Forwarded-For": {"198.51.100.8"}})
	if stream.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong token: %s", stream.Status)
	}
	for _, want := range []string{
		"msg=request listener=admin method=GET path=/api/status protocol=HTTP/1.1 status=200 bytes=|client=127.0.0.1:|user=reader role=read request_id=",
		"msg=request listener=shared method=GET path=/ protocol=HTTP/1.1 status=101 bytes=|client=198.51.100.7 proxy=127.0.0.1:|user=shop reason=client request_id=",
		"msg=request listener=shared method=GET path=/orders protocol=HTTP/1.1 status=401 bytes=|client=198.51.100.8 proxy=127.0.0.1:|request_id=",
	} {
		testenv.Eventually(t, testenv.Wait, want, func() bool {
			for line := range strings.Lines(r.said.String()) {
				found := true
				for part := range strings.SplitSeq(want, "|") {
					found = found && strings.Contains(line, part)
				}
				if found {
					return true
				}
			}
			return false
		})
	}
	if text := r.said.String(); strings.Contains(text, "access_token") || strings.Contains(text, "a-token-of-the-shop") {
		t.Errorf("the log has a token:\n%s", text)
	}
	env["PORT"] = r.port
	r.reloadable(file, env)
	writeText(t, file, strings.Replace(accessLogConfig, "access: true", "access: false", 1))
	r.reload(testenv.Context(t), "test")
	before := strings.Count(r.said.String(), "msg=request ")
	send(t, "GET", "http://127.0.0.1:"+r.port+"/healthz", "", nil)
	if after := strings.Count(r.said.String(), "msg=request "); after != before {
		t.Error("the log goes on after it was turned off")
	}
}

// TestStoppedClientsHaveTheirReason proves that clients that a stop disconnects have a line with that reason.
func TestStoppedClientsHaveTheirReason(t *testing.T) {
	r := startGateway(t, writeConfig(t, strings.Replace(adminConfig, "sources:", "log: {access: true}\nsources:", 1)), nil)
	conn, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:"+r.port+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { // it reads to the end
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	r.stop()
	if text := r.said.String(); !strings.Contains(text, "reason=shutdown") {
		t.Errorf("no line says why:\n%s", text)
	}
}
