package app

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// transportConfig has a listener, and further options of http, beside a sink with limits.
const transportConfig = `
http: {listen: "%s", %s}
sources: {orders_bus: {type: redis-sub, url: "${REDIS_URL}", channels: [orders_updates]}}
sinks: {browsers: {type: websocket, limits: {per_address: 3, trusted_proxies: [127.0.0.1]}}}
routes: {deliver: {from: [orders_bus], to: [browsers]}}
`

// TestNginxOverUnixSocket proves that a gateway listens on a Unix socket behind the nginx of the documentation, and
// counts the clients by the addresses that nginx names. check --live finds the gateway there.
func TestNginxOverUnixSocket(t *testing.T) {
	block := proxyBlocks(t, "nginx")[0] // check changes the working directory
	socket := filepath.Join(t.TempDir(), "gateway.sock")
	file := writeConfig(t, fmt.Sprintf(transportConfig, "unix:"+socket, "socket_access: all"))
	check := func(want string) {
		t.Helper()
		if out, err := commandLine(t, map[string]string{"REDIS_URL": testenv.Redis(t).URL()}, "check", "--live", "-c", file); err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %s, want %q", err, out, want)
		}
	}
	check("the port is free: unix:")
	r := startGateway(t, file, nil)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v", info, err)
	}
	check("a running gateway with these components has the port: unix:")
	port := testenv.FreePort(t)
	nginx(t, port, strings.Replace(block, "http://127.0.0.1:8080", "http://unix:"+socket+":", 1), "")
	for path, want := range map[string]int{"/": 200, "/healthz": 200, "/api/status": 200} {
		if got := send(t, "GET", fmt.Sprintf("http://127.0.0.1:%d%s", port, path), "shop.example", authorization(r.secret())).StatusCode; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	testForwarded(t, fmt.Sprintf("ws://127.0.0.1:%d%s", port, "/"), port)
	r.stop()
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket stays: %v", err)
	}
}

// TestHAProxyNamesClients proves that the PROXY header of HAProxy, before TLS, names the client by which limits count,
// and that the page works through it.
func TestHAProxyNamesClients(t *testing.T) {
	files := testenv.MakeCertificates(t, "client")
	options := fmt.Sprintf("proxy_protocol: [127.0.0.1], tls: {cert: %q, key: %q}", files.ServerCert, files.ServerKey)
	r := startGateway(t, writeConfig(t, fmt.Sprintf(transportConfig, "127.0.0.1:${PORT}", options)), nil)
	port := testenv.FreePort(t)
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	writeText(t, file, fmt.Sprintf("defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\nlisten gateway\n  bind 127.0.0.1:%d\n  server one 127.0.0.1:%s send-proxy-v2\n", port, r.port))
	testenv.StartProxy(t, port, "haproxy", "-db", "-f", file)
	for i, c := range []struct {
		from   byte
		status int
	}{{9, 101}, {9, 101}, {9, 101}, {9, 429}, {8, 101}} {
		dialer := websocket.Dialer{
			NetDial:          (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, c.from)}, Timeout: testenv.Wait}).Dial,
			HandshakeTimeout: testenv.Wait, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}
		conn, resp, err := dialer.Dial(fmt.Sprintf("wss://127.0.0.1:%d/", port), http.Header{"X-Forwarded-For": {"198.51.100.7"}})
		if resp == nil || resp.StatusCode != c.status {
			t.Fatalf("client %d, from 127.0.0.%d: %v, %+v, want %d", i, c.from, err, resp, c.status)
		}
		if conn != nil {
			defer conn.Close()
		}
	}
	if _, _, err := (&websocket.Dialer{HandshakeTimeout: testenv.Wait, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}).Dial("wss://127.0.0.1:"+r.port+"/", nil); err == nil {
		t.Error("a connection without a header is served")
	}
	b := openURL(t, fmt.Sprintf("https://127.0.0.1:%d/%s", port, r.admin.Link(true)))
	b.await(pageIsWell)
	b.checkErrors()
}

// TestCleartextHTTP2 proves that programs and proxies get pages and server-sent events by HTTP/2 without TLS.
func TestCleartextHTTP2(t *testing.T) {
	r := startGateway(t, writeConfig(t, fmt.Sprintf(transportConfig, "127.0.0.1:${PORT}", "")), nil)
	port := testenv.FreePort(t)
	caddy(t, port, "shop.example {\n  reverse_proxy h2c://127.0.0.1:8080\n}\n", "127.0.0.1:"+r.port)
	if got := curl(t, "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "http://127.0.0.1:"+r.port+"/healthz"); got != "2 200" {
		t.Errorf("curl: %s", got)
	}
	for name, args := range map[string][]string{
		"curl":  {"--http2-prior-knowledge", "http://127.0.0.1:" + r.port + "/"},
		"Caddy": {"-H", "Host: shop.example:" + strconv.Itoa(port), fmt.Sprintf("http://127.0.0.1:%d/", port)},
	} {
		cmd := exec.CommandContext(testenv.Context(t), "curl", append([]string{"-sSN", "--noproxy", "*", "-H", "Accept: text/event-stream"}, args...)...)
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
		publishOrder(t, name+" to print an event", func() bool {
			select {
			case line, ok := <-lines:
				return ok && strings.HasPrefix(line, `data: {"operation":"INSERT"`)
			default:
				return false
			}
		})
		_ = cmd.Process.Kill()
		for range lines {
		}
		_ = cmd.Wait() // it was killed
	}
}
