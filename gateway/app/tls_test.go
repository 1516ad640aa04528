package app

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

const tlsConfig = `
http:
  listen: "127.0.0.1:${PORT}"
  tls: {cert: "${CERT}", key: "${KEY}"}
sources: {orders_bus: {type: redis-sub, url: "${REDIS_URL}", channels: [orders_updates]}}
sinks: {browsers: {type: websocket}}
routes: {deliver: {from: [orders_bus], to: [browsers]}}
`

// startTLS starts a gateway that speaks TLS.
func startTLS(t *testing.T) *running {
	t.Helper()
	files := testenv.MakeCertificates(t, "client")
	return startGateway(t, writeConfig(t, tlsConfig), map[string]string{"CERT": files.ServerCert, "KEY": files.ServerKey})
}

// publishOrder publishes an order until a condition holds.
func publishOrder(t *testing.T, what string, condition func() bool) {
	t.Helper()
	redis := testenv.RedisClient(t)
	testenv.Eventually(t, testenv.Wait, what, func() bool {
		if err := redis.Publish(testenv.Context(t), "orders_updates", `{"operation":"INSERT","order":{"id":1,"customer_name":"Ada"}}`).Err(); err != nil {
			t.Fatal(err)
		}
		return condition()
	})
}

// TestBrowserOverTLS proves that a browser gets the page, the API and server-sent events by HTTP/2, and events by
// WebSocket, from a gateway with TLS.
func TestBrowserOverTLS(t *testing.T) {
	r := startTLS(t)
	b := openURL(t, "https://localhost:"+r.port+"/"+r.admin.Link(true))
	b.await(`document.querySelector("health-state").dataset.state === "well"`) // by the cookie, which is for https only
	eval[bool](b, `(window.heard = undefined, window.stream = new EventSource("."), stream.onmessage = ({ data }) => { heard = data }, true)`)
	b.await(`stream.readyState === 1`)
	publishOrder(t, "the browser to get events", func() bool {
		return eval[bool](b, `document.querySelectorAll("tr[data-operation]").length === 1 && heard !== undefined`)
	})
	for what, protocol := range map[string]string{
		"the page": `performance.getEntriesByType("navigation")[0].nextHopProtocol`,
		"the API":  `performance.getEntriesByType("resource").findLast(({ name }) => name.endsWith("/api/status")).nextHopProtocol`,
	} {
		if got := eval[string](b, protocol); got != "h2" {
			t.Errorf("%s comes by %s", what, got)
		}
	}
	b.checkErrors()
}

// curl runs curl, and returns what it prints.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(testenv.Context(t), "curl", append([]string{"-sSk", "--noproxy", "*"}, args...)...).Output()
	if err != nil {
		t.Fatalf("curl %s (apt-get install curl): %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// TestProgramsOverTLS proves that curl and a Go client speak HTTP/2 and HTTP/1.1 over TLS, and that a WebSocket client
// that offers both protocols gets an answer.
func TestProgramsOverTLS(t *testing.T) {
	r := startTLS(t)
	url := "https://127.0.0.1:" + r.port
	for option, version := range map[string]string{"--http2": "2", "--http1.1": "1.1"} {
		for path, status := range map[string]string{"/": "200", "/healthz": "200", "/api/status": "200", "/nothing": "404"} {
			got := curl(t, option, "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "-H", "Authorization: Bearer "+r.secret(), url+path)
			if want := version + " " + status; got != want {
				t.Errorf("curl %s %s: %s, want %s", option, path, got, want)
			}
		}
		cmd := exec.CommandContext(testenv.Context(t), "curl", "-sSkN", "--noproxy", "*", option, "-D", "-", "-H", "Accept: text/event-stream", url+"/")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := make(chan string, 1000)
		go func() {
			defer close(lines)
			for s := bufio.NewScanner(out); s.Scan(); {
				lines <- s.Text()
			}
		}()
		if first := <-lines; !strings.HasPrefix(first, "HTTP/"+version+" 200") {
			t.Errorf("events by %s: %s", option, first)
		}
		publishOrder(t, "curl to print an event", func() bool {
			select {
			case line, ok := <-lines:
				return !ok || strings.HasPrefix(line, `data: {"operation":"INSERT"`)
			default:
				return false
			}
		})
		_ = cmd.Process.Kill()
		for range lines {
		}
		_ = cmd.Wait() // it was killed
	}
	dialer := websocket.Dialer{HandshakeTimeout: testenv.Wait, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	conn, _, err := dialer.Dial(fmt.Sprintf("wss://127.0.0.1:%s/", r.port), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := make(chan string, 1)
	go func() {
		_, text, err := conn.ReadMessage()
		got <- fmt.Sprintf("%s %v", text, err)
	}()
	publishOrder(t, "the WebSocket client to get an event", func() bool {
		select {
		case text := <-got:
			return strings.HasPrefix(text, `{"operation":"INSERT"`)
		default:
			return false
		}
	})
	if text := curl(t, "http://127.0.0.1:"+r.port+"/"); !strings.Contains(text, "HTTP request to an HTTPS server") {
		t.Errorf("plain HTTP is answered %q", text)
	}
}
