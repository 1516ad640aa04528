package websocket

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestDNSRebindingIsRefused: a page whose name was made to resolve to this machine is refused although its origin is
// the Host, unless the origin is listed.
func TestDNSRebindingIsRefused(t *testing.T) {
	_, server := newSink(t, func(o *Options) { o.Origins = []string{"https://shop.example"} }, httptest.NewServer)
	port := server.Listener.Addr().(*net.TCPAddr).Port
	local := ":" + strconv.Itoa(port)
	for _, c := range []struct {
		host, origin string
		browser      bool
		websocket    int
		events       int
	}{
		{"evil.example" + local, "http://evil.example" + local, true, 403, 403},
		{"evil.example", "http://evil.example", true, 403, 403},
		{"localhost.evil.example", "http://localhost.evil.example", true, 403, 403},
		{"127.0.0.1.evil.example", "http://127.0.0.1.evil.example", true, 403, 403},
		{"10.0.0.7", "http://10.0.0.7", true, 403, 403},
		{"evil.example", "", true, 101, 403}, // a GET of the same host has no Origin
		{"evil.example", "", false, 101, 200},
		{"shop.example", "https://shop.example", true, 101, 200}, // behind a proxy that keeps the Host
		{"shop.example", "", true, 101, 200},
		{"localhost" + local, "http://localhost" + local, true, 101, 200},
		{"127.0.0.1" + local, "http://127.0.0.1" + local, true, 101, 200},
		{"127.8.8.8", "http://127.8.8.8", true, 101, 200},
		{"[::1]" + local, "http://[::1]" + local, true, 101, 200},
		{"LOCALHOST" + local, "http://localhost" + local, true, 101, 200},
	} {
		header := http.Header{"Host": {c.host}}
		if c.origin != "" {
			header.Set("Origin", c.origin)
		}
		if c.browser {
			header.Set("Accept-Language", "en")
		}
		conn, status := connect(server, "", header)
		if status != c.websocket {
			t.Errorf("WebSocket, Host %s, Origin %q: %d, want %d", c.host, c.origin, status, c.websocket)
		}
		if conn != nil {
			conn.Close()
		}
		req, err := http.NewRequest("GET", server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header, req.Host = header.Clone(), c.host
		req.Header.Set("Accept", "text/event-stream")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != c.events {
			t.Errorf("events, Host %s, Origin %q, browser %v: %d, want %d", c.host, c.origin, c.browser, resp.StatusCode, c.events)
		}
		if resp.StatusCode == 403 {
			var text bytes.Buffer
			if _, err := text.ReadFrom(resp.Body); err != nil || !strings.Contains(text.String(), "origins") {
				t.Errorf("the answer names no option: %s, %v", text.String(), err)
			}
		}
		resp.Body.Close()
	}
}

// TestRefusedOriginLogIsLimited: refused pages cause few and short log lines.
func TestRefusedOriginLogIsLimited(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	var log testenv.Log
	s.env.Log = slog.New(slog.NewTextHandler(&log, nil))
	s.refusedOrigins.Interval = time.Hour
	const tries = 50
	for range tries {
		_, status := connect(server, "", http.Header{"Origin": {"https://" + strings.Repeat("x", 30_000)}})
		if status != http.StatusForbidden {
			t.Fatalf("status %d", status)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != lineBurst {
		t.Errorf("%d lines for %d refused pages", n, tries)
	}
	if len(log.String()) > lineBurst*1000 {
		t.Errorf("%d bytes", len(log.String()))
	}
}

// TestOrigins: pages connect only from the same host or a listed origin.
func TestOrigins(t *testing.T) {
	_, server := newSink(t, func(o *Options) { o.Origins = []string{"http://localhost:5500", "https://Shop.example/"} }, httptest.NewServer)
	for origin, allowed := range map[string]bool{
		"":                            true, // a program
		server.URL:                    true, // the same host
		"http://localhost:5500":       true,
		"https://shop.example":        true,
		"http://localhost:5501":       false,
		"http://shop.example":         false,
		"https://shop.example.evil":   false,
		"https://evil/shop.example":   false,
		"null":                        false,
		"http://" + server.URL + ".x": false,
		"://":                         false,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, resp, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1), header)
		if (err == nil) != allowed {
			t.Errorf("origin %q: %v", origin, err)
		}
		if err != nil && resp.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q is refused with %d", origin, resp.StatusCode)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

// TestCrossOriginRequests: a page with a listed origin may send a token, and can read why it is refused.
func TestCrossOriginRequests(t *testing.T) {
	_, server := newSink(t, func(o *Options) {
		o.Origins = []string{"https://shop.example"}
		o.Auth.Tokens = options.Map[options.Secret]{{Key: "a", Value: options.NewSecret("a-token-that-is-long")}}
	}, httptest.NewServer)
	for _, c := range []struct {
		method, origin, token string
		status                int
		allowed               bool
	}{
		{"OPTIONS", "https://shop.example", "", 204, true}, {"OPTIONS", "https://evil.example", "", 403, false}, {"OPTIONS", "null", "", 403, false},
		{"GET", "https://shop.example", "a-token-that-is-long", 200, true}, {"GET", "https://shop.example", "wrong", 401, true},
		{"GET", "https://shop.example", "", 401, true}, {"GET", "https://evil.example", "wrong", 401, false}, {"GET", "https://evil.example", "a-token-that-is-long", 403, false},
	} {
		header := http.Header{"Origin": {c.origin}, "Accept": {"text/event-stream"}}
		if c.method == "OPTIONS" {
			header.Set("Access-Control-Request-Method", "GET")
			header.Set("Access-Control-Request-Headers", "authorization")
		} else if c.token != "" {
			header.Set("Authorization", "Bearer "+c.token)
		}
		resp, body := request(t, c.method, server.URL, header)
		got := resp.Header.Get("Access-Control-Allow-Origin")
		if resp.StatusCode != c.status || (got == c.origin) != c.allowed || !c.allowed && got != "" || !strings.Contains(resp.Header.Get("Vary"), "Origin") {
			t.Errorf("%+v: %s, %v, %s", c, resp.Status, resp.Header, body)
		}
		if c.status == 204 && !strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("%v", resp.Header)
		}
	}
}

// TestImpossibleOriginsAreReported: the option origins is checked for origins that no page can have.
func TestImpossibleOriginsAreReported(t *testing.T) {
	for origin, want := range map[string]string{
		"*": "", "https://shop.example": "", "HTTP://Shop.Example/": "", "http://localhost:5500": "", "https://shop.example:8443": "", "http://[::1]:8080": "",
		"http://shop.example:443": "", "chrome-extension://abcdefghijklmnop": "", "app://.": "", "capacitor://localhost": "", "https://a.example.": "", "http://10.0.0.1": "",
		"shop.example": "is not", "null": "is not", "https://shop.example/page": "is not", "https://shop.example?x": "is not", "https://shop.example#x": "is not", "https://me@shop.example": "is not", "": "is not",
		"https://shop.example:443": "never matches: browsers leave out the default port", "http://shop.example:80": "never matches", "https://shop.example:": "never matches", "https://shop.example:99999999": "has no valid port",
		"wss://shop.example": "never matches: the origin of a page", "ws://localhost": "never matches", "file://x": "never matches: the origin of such a page is null",
		"https://*.shop.example": "never matches: list each host", "https://bücher.example": "never matches: browsers write such a host in ASCII", "http://[0:0:0:0:0:0:0:1]": "never matches: browsers write this address as ::1",
		"http://127.1": "is not an origin: its host", "http://010.0.0.1": "is not an origin: its host",
	} {
		if got := originProblem(origin); want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", origin, got, want)
		}
	}
}
