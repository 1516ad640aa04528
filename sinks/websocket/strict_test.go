package websocket

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestOtherVersions of the protocol only are refused with the one that is spoken, and logged few times.
func TestOtherVersions(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	var log testenv.Log
	s.refusedVersions = newSparingLog(slog.New(slog.NewTextHandler(&log, nil)))
	for offered, want := range map[string]int{
		"eventgateway.v1": 400, "eventgateway.v3, eventgateway.v1": 400, "eventgateway.v1, bearer.x": 400,
		"eventgateway.v1, eventgateway.v2": 101, "chat": 101, "bearer.x": 101,
	} {
		dialer := websocket.Dialer{Subprotocols: strings.Split(offered, ", ")}
		conn, resp, err := dialer.Dial(strings.Replace(server.URL, "http", "ws", 1), nil)
		if resp == nil {
			t.Fatal(err)
		}
		if conn != nil {
			conn.Close()
		}
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want || want == 400 && !strings.Contains(string(text), "this gateway speaks eventgateway.v2") {
			t.Errorf("%s is answered with %d %s", offered, resp.StatusCode, text)
		}
	}
	if n := strings.Count(log.String(), "another version of the protocol"); n != 3 {
		t.Errorf("%d lines are logged", n)
	}
}

// TestClaimsAreOneValue: a token with something behind its claims is refused.
func TestClaimsAreOneValue(t *testing.T) {
	_, server := newSink(t, func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(rightsSecret)} }, httptest.NewServer)
	for claims, want := range map[string]int{
		fmt.Sprintf(`{"exp":%d}`, soon()):                101,
		fmt.Sprintf(`{"exp":%d}{"sub":"other"}`, soon()): 401,
		fmt.Sprintf(`{"exp":%d} and more`, soon()):       401,
	} {
		encode := base64.RawURLEncoding.EncodeToString
		token := encode([]byte(`{"alg":"HS256"}`)) + "." + encode([]byte(claims))
		mac := hmac.New(sha256.New, []byte(rightsSecret))
		mac.Write([]byte(token))
		conn, status := connect(server, "", bearerHeader(token+"."+encode(mac.Sum(nil))))
		if status != want {
			t.Errorf("%s: %d, want %d", claims, status, want)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

// TestKeysAreBounded: an answer that is too long is no keys, and neither is that of another host.
func TestKeysAreBounded(t *testing.T) {
	keys := jwksHandler(t)
	padded := func(n int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(" ", n))
			keys.ServeHTTP(w, r)
		})
	}
	other := httptest.NewServer(keys)
	defer other.Close()
	for name, c := range map[string]struct {
		answer http.Handler
		wrong  string
	}{
		"small":           {padded(1000), ""},
		"large":           {padded(2 << 20), "too large"},
		"of another host": {http.RedirectHandler(other.URL, http.StatusFound), "another place"},
	} {
		issuer := httptest.NewServer(c.answer)
		v, err := newVerifier(JWT{Algorithm: "EdDSA", JWKS: options.NewURL(issuer.URL)})
		if err != nil {
			t.Fatal(err)
		}
		err = v.open(quietLog())
		if (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", name, err)
		}
		v.close()
		issuer.Close()
	}
}

// TestTokenEndsAsItIsTaken: one that is taken although it has just expired is not ended at once.
func TestTokenEndsAsItIsTaken(t *testing.T) {
	s, _ := newSink(t, nil, httptest.NewServer)
	c := newClient(s, "")
	c.expires = time.Now().Add(-time.Second)
	c.expire()
	if !c.timer.Stop() {
		t.Error("the timer has run")
	}
}

// TestEventsAreNotSniffed: browsers take server-sent events for nothing else.
func TestEventsAreNotSniffed(t *testing.T) {
	_, server := newSink(t, nil, httptest.NewServer)
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the headers are %v", resp.Header)
	}
}
