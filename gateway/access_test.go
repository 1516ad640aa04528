package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

const accessConfig = `
http: {listen: ":${PORT}"}
sources: {never: {type: generate, rate: 1, count: 1}}
sinks: {browsers: {type: websocket}}
routes: {all: {from: [never], to: [browsers]}}
`

// ask sends a request as a proxy without settings does: from this host, and to any Host
// that the client names.
func (p *program) ask(path, host string, header http.Header) (status int, body string) {
	p.t.Helper()
	req, err := http.NewRequest("GET", "http://127.0.0.1:"+p.port+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Host, req.Header = host, header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

var loggedLink = regexp.MustCompile(`http://localhost:(\d+)/#token=([\w.-]+)`)

// TestOnlySecretOpensAPI proves that neither the address of a peer nor the Host header opens
// /api, and that the secret does, also after a restart.
func TestOnlySecretOpensAPI(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.yaml")
	writeFile(t, file, accessConfig)
	p := startBinary(t, nil, "-c", file)
	p.awaitReady()
	for _, path := range []string{"/api/status", "/api/dead-letters"} {
		for _, host := range []string{"127.0.0.1:" + p.port, "localhost", "LOCALHOST:80", "[::1]", "::1", "127.0.0.1.", "shop.example"} {
			for _, header := range []http.Header{nil, {"X-Forwarded-For": {"127.0.0.1"}}, {"Authorization": {"Bearer "}}, {"Authorization": {"Bearer wrong"}}} {
				if status, body := p.ask(path, host, header); status != http.StatusUnauthorized || strings.Contains(body, "sources") {
					t.Errorf("%s of %s with %v: %d %s", path, host, header, status, body)
				}
			}
		}
	}
	if info, err := os.Stat(p.secretFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	secret := p.secret()
	if status, _ := p.ask("/api/status", "shop.example", http.Header{"Authorization": {"Bearer " + secret}}); status != http.StatusOK {
		t.Errorf("with the secret: %d", status)
	}
	link := loggedLink.FindStringSubmatch(p.stderr.String())
	if link == nil || link[1] != p.port {
		t.Fatalf("no link was logged: %s", p.stderr.String())
	}
	if strings.Contains(p.stderr.String(), secret) {
		t.Error("the log has the secret itself")
	}
	if n := strings.Count(p.stderr.String(), "wrong secret"); n != 1 {
		t.Errorf("%d lines about wrong secrets", n)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/"} {
		if status, _ := p.ask(path, "shop.example", nil); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.exit(testenv.Wait)

	restarted := startBinary(t, map[string]string{"PORT": p.port, "XDG_STATE_HOME": p.state}, "-c", file)
	restarted.port, restarted.state = p.port, p.state
	restarted.awaitReady()
	for name, token := range map[string]string{"the secret": secret, "the link": link[2]} {
		if status, _ := restarted.ask("/api/status", "localhost", http.Header{"Authorization": {"Bearer " + token}}); status != http.StatusOK {
			t.Errorf("%s after a restart: %d", name, status)
		}
	}
}

// TestReadableSecretFileIsRefused proves that a secret that other users can read does not open
// /api, and that the gateway then generates one.
func TestReadableSecretFileIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.yaml")
	writeFile(t, file, accessConfig)
	state, port := t.TempDir(), fmt.Sprint(testenv.FreePort(t))
	planted := filepath.Join(state, "eventgateway", "secret-all-"+port)
	if err := os.Mkdir(filepath.Dir(planted), 0o700); err != nil {
		t.Fatal(err)
	}
	const known = "known-to-all-users-of-this-host"
	if err := os.WriteFile(planted, []byte(known), 0o644); err != nil {
		t.Fatal(err)
	}
	p := startBinary(t, map[string]string{"PORT": port, "XDG_STATE_HOME": state}, "-c", file)
	p.port = port
	p.awaitReady()
	if status, _ := p.ask("/api/status", "localhost", http.Header{"Authorization": {"Bearer " + known}}); status != http.StatusUnauthorized {
		t.Errorf("with the planted secret: %d", status)
	}
	if log := p.stderr.String(); !strings.Contains(log, "has mode 0644, so other users may know the secret: delete it") {
		t.Errorf("log: %s", log)
	}
	link := loggedLink.FindStringSubmatch(p.stderr.String())
	if link == nil {
		t.Fatal("no link was logged")
	}
	if status, _ := p.ask("/api/status", "localhost", http.Header{"Authorization": {"Bearer " + link[2]}}); status != http.StatusOK {
		t.Errorf("with the link: %d", status)
	}
}

// TestIncompleteRequestsDoNotExhaustDescriptors proves that a process with 256 descriptors answers /healthz
// and /metrics during 300 incomplete requests, and that clients connect or get 503.
func TestIncompleteRequestsDoNotExhaustDescriptors(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "access.yaml")
	writeFile(t, file, accessConfig)
	p := startCommand(t, nil, exec.Command("/bin/sh", "-c", `ulimit -n 256 && exec "$0" -c "$1"`, path, file))
	p.awaitReady()
	for name, c := range map[string]struct {
		text   string
		silent bool // the gateway waits for the header, and then ends the connection
	}{
		"no body":      {"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 100000\r\n\r\n", false},
		"no body, API": {"POST /api/demo HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		"no header":    {"GET / HTTP/1.1\r\nHost:", true},
		"nothing":      {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			var open []net.Conn
			defer func() {
				for _, c := range open {
					c.Close()
				}
			}()
			for range 300 {
				conn, err := net.DialTimeout("tcp", "127.0.0.1:"+p.port, testenv.Wait)
				if err != nil {
					t.Fatal(err)
				}
				open = append(open, conn)
				if _, err := io.WriteString(conn, c.text); err != nil && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
					t.Fatal(err)
				}
			}
			client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
			for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
				resp, err := client.Get("http://127.0.0.1:" + p.port + path)
				if err != nil {
					t.Fatalf("%s: %v", path, err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("%s answers %s", path, resp.Status)
				}
			}
			dialer := websocket.Dialer{HandshakeTimeout: 5 * time.Second}
			socket, resp, err := dialer.Dial("ws://127.0.0.1:"+p.port+"/", nil)
			if err == nil {
				socket.Close()
			} else if resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("a client gets %v, %v", resp, err)
			}
			if !c.silent {
				_ = open[0].SetReadDeadline(time.Now().Add(testenv.Wait))
				if resp, err := http.ReadResponse(bufio.NewReader(open[0]), nil); err != nil || !resp.Close || resp.StatusCode < 400 {
					t.Errorf("the answer: %+v, %v", resp, err)
				}
			}
		})
	}
	if log := p.stderr.String(); strings.Contains(log, "out of file descriptors") {
		t.Error("there were no descriptors left")
	}
}
