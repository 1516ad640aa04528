package websocket

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
)

// request sends a request with headers, and returns the answer and its body.
func request(t *testing.T, method, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK { // events, without end
		t.Cleanup(func() { resp.Body.Close() })
		return resp, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestStrippedHandshake: a proxy that drops Upgrade, Connection, or both, is named as the reason.
func TestStrippedHandshake(t *testing.T) {
	_, server := newSink(t, nil, httptest.NewServer)
	for _, dropped := range [][]string{{"Upgrade", "Connection"}, {"Upgrade"}, {"Connection"}} {
		header := http.Header{"Upgrade": {"websocket"}, "Connection": {"keep-alive, Upgrade"}, "Sec-Websocket-Key": {"x3JJHMbDL1EzLkh9GBhXDw=="}, "Sec-Websocket-Version": {"13"}}
		for _, name := range dropped {
			header.Del(name)
		}
		resp, body := request(t, "GET", server.URL, header)
		if resp.StatusCode != http.StatusUpgradeRequired || !strings.Contains(body, "a proxy in between has dropped them") || resp.Header.Get("Upgrade") != "websocket" {
			t.Errorf("without %v: %s, %s", dropped, resp.Status, body)
		}
	}
}

// TestSubprotocols: a browser that offers some must be answered one of them.
func TestSubprotocols(t *testing.T) {
	_, server := newSink(t, func(o *Options) {
		o.Auth.Tokens = options.Map[options.Secret]{{Key: "a", Value: options.NewSecret("a-token-that-is-long")}}
	}, httptest.NewServer)
	const token = "bearer.a-token-that-is-long"
	for offered, want := range map[string]string{
		"orders," + token:                  "orders",
		token + ",orders.v1,orders.v2":     "orders.v1",
		token:                              token,
		"orders," + Protocol + "," + token: Protocol,
	} {
		conn, resp, err := (&websocket.Dialer{Subprotocols: strings.Split(offered, ",")}).Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
		if err != nil {
			t.Errorf("%s: %v", offered, err)
			continue
		}
		if got := resp.Header["Sec-Websocket-Protocol"]; len(got) != 1 || got[0] != want || conn.Subprotocol() != want {
			t.Errorf("%s is answered %q, want %s", offered, got, want)
		}
		conn.Close()
	}
}

// TestOtherOrigin: a page of an origin that is listed may ask with a token, and reads why it is refused.
func TestOtherOrigin(t *testing.T) {
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

// TestOriginsThatNeverMatch are refused, and others are not.
func TestOriginsThatNeverMatch(t *testing.T) {
	for origin, want := range map[string]string{
		"*": "", "https://shop.example": "", "HTTP://Shop.Example/": "", "http://localhost:5500": "", "https://shop.example:8443": "", "http://[::1]:8080": "",
		"http://shop.example:443": "", "chrome-extension://abcdefghijklmnop": "", "app://.": "", "capacitor://localhost": "", "https://a.example.": "", "http://10.0.0.1": "",
		"shop.example": "is not", "null": "is not", "https://shop.example/page": "is not", "https://shop.example?x": "is not", "https://shop.example#x": "is not", "https://me@shop.example": "is not", "": "is not",
		"https://shop.example:443": "never matches: browsers leave out the port", "http://shop.example:80": "never matches", "https://shop.example:": "never matches", "https://shop.example:99999999": "has no port",
		"wss://shop.example": "never matches: the origin of a page", "ws://localhost": "never matches", "file://x": "never matches: the origin of such a page is null",
		"https://*.shop.example": "never matches: list each host", "https://bücher.example": "never matches: browsers write such a host in ASCII", "http://[0:0:0:0:0:0:0:1]": "never matches: browsers write this address as ::1",
		"http://127.1": "is not an origin: its host", "http://010.0.0.1": "is not an origin: its host",
	} {
		if got := badOrigin(origin); want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", origin, got, want)
		}
	}
}
