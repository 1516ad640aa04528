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

// TestStrippedHandshakeIsExplained: the answer says that a proxy has dropped Upgrade, Connection, or both.
func TestStrippedHandshakeIsExplained(t *testing.T) {
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

// TestOfferedSubprotocolIsAnswered: the answer selects one of the offered subprotocols, as browsers require.
func TestOfferedSubprotocolIsAnswered(t *testing.T) {
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
