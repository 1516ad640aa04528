package websocket

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
)

// TestTokenIsAcceptedWhereAllowed: a token is accepted in a header, a subprotocol, and in the query if that is
// allowed. Any other client is refused before the upgrade.
func TestTokenIsAcceptedWhereAllowed(t *testing.T) {
	const token = "correct-horse-battery"
	s, server := newSink(t, func(o *Options) {
		o.Auth.Tokens = options.Map[options.Secret]{{Key: "other", Value: options.NewSecret("staple-staple-staple")}, {Key: "shop", Value: options.NewSecret(token)}}
		o.Auth.Query = "access_token"
	}, httptest.NewServer)
	for name, c := range map[string]struct {
		query  string
		header http.Header
		status int
	}{
		"header":        {"", bearerHeader(token), 101},
		"another":       {"", bearerHeader("staple-staple-staple"), 101},
		"subprotocol":   {"", http.Header{"Sec-WebSocket-Protocol": {Protocol + ", bearer." + token}}, 101},
		"query":         {"access_token=" + token, nil, 101},
		"none":          {"", nil, 401},
		"wrong":         {"", bearerHeader(token + "x"), 401},
		"empty":         {"access_token=", bearerHeader(""), 401},
		"another query": {"token=" + token, nil, 401},
		"basic":         {"", http.Header{"Authorization": {"Basic " + token}}, 401},
	} {
		conn, status := connect(server, c.query, c.header)
		if status != c.status {
			t.Errorf("%s: %d", name, status)
		}
		if conn != nil {
			if p := conn.Subprotocol(); strings.Contains(p, "bearer") {
				t.Errorf("%s: the token is sent back as subprotocol", name)
			}
			conn.Close()
		}
	}
	req, _ := http.NewRequest("GET", server.URL, nil)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("server-sent events: %v, %v", resp, err)
	}
	resp.Body.Close()
	awaitClients(t, s, 0)
}

// TestNothingIsSentBeforeTokenMessage: a client with auth.message gets nothing before its token.
func TestNothingIsSentBeforeTokenMessage(t *testing.T) {
	const token = "correct-horse-battery"
	s, server := newSink(t, func(o *Options) {
		o.Auth.Tokens = options.Map[options.Secret]{{Key: "shop", Value: options.NewSecret(token)}}
		o.Auth.Message = true
		o.Welcome = options.Map[string]{{Key: "type", Value: "welcome"}}
	}, httptest.NewServer)
	conn, status := connect(server, "filter="+url.QueryEscape("n > 1"), http.Header{"Sec-WebSocket-Protocol": {Protocol}})
	if status != 101 {
		t.Fatal(status)
	}
	awaitClients(t, s, 1)
	s.send(t, orders(0, 10)...)
	write := func(c *websocket.Conn, text string) {
		if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write(conn, `{"type":"subscribe"}`) // ignored before the token
	write(conn, `{"type":"ping","timestamp":1}`)
	if got := read(t, conn); !strings.HasPrefix(got, `{"type":"pong"`) {
		t.Errorf("got %s", got)
	}
	write(conn, `{"type":"auth","token":"`+token+`"}`)
	if a, b := read(t, conn), read(t, conn); a != `{"type":"welcome"}` || !strings.HasPrefix(b, `{"type":"subscribed"`) {
		t.Errorf("got %s and %s", a, b)
	}
	s.send(t, orders(1, 2)...)
	if got := read(t, conn); got != `{"n":2,"status":"new"}` {
		t.Errorf("got %s", got)
	}
	write(conn, `{"type":"auth","token":"`+token+`"}`)
	if got := read(t, conn); got != `{"type":"auth"}` {
		t.Errorf("got %s", got)
	}
	other, _ := connect(server, "", nil)
	write(other, `{"type":"auth","token":"wrong-horse-battery"}`)
	if _, _, err := other.ReadMessage(); !websocket.IsCloseError(err, closePolicy) {
		t.Errorf("ended with %v", err)
	}
}

// TestAuthOptionsAreChecked: wrong combinations of the options of auth are reported.
func TestAuthOptionsAreChecked(t *testing.T) {
	pemKey := publicPEM(t, func() any { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return &k.PublicKey }())
	for want, set := range map[string]func(*Options){
		"auth.jwt.algorithm: is required":    func(o *Options) { o.Auth.JWT.Key = options.NewSecret("x") },
		"auth.jwt.key: is required, or jwks": func(o *Options) { o.Auth.JWT.Algorithm = "RS256" },
		"auth.jwt.key: is not a public":      func(o *Options) { o.Auth.JWT = JWT{Algorithm: "RS256", Key: pemKey} },
		"auth.jwt.key: can be guessed":       func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret("short")} },
		"auth.jwt.jwks: holds public":        func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", JWKS: options.NewURL("https://x")} },
		"auth.tokens.a: can be guessed": func(o *Options) {
			o.Auth.Tokens = options.Map[options.Secret]{{Key: "a", Value: options.NewSecret("x")}}
		},
		"auth: has no tokens":         func(o *Options) { o.Auth.Message = true },
		"authorize: needs the claims": func(o *Options) { _ = o.Authorize.UnmarshalText([]byte("a == claims.b")) },
	} {
		o := Type().Defaults().(*Options)
		set(o)
		var got []string
		o.Check(func(option, text string) { got = append(got, option+": "+text) })
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestResumeWithTokenByMessage: a client that sends its token by message resumes without missing a message, and
// gets nothing before its token, gap messages included.
func TestResumeWithTokenByMessage(t *testing.T) {
	const token = "correct-horse-battery"
	s, server := newSink(t, func(o *Options) {
		o.Auth.Tokens, o.Auth.Message = options.Map[options.Secret]{{Key: "shop", Value: options.NewSecret(token)}}, true
	}, httptest.NewServer)
	s.send(t, orders(0, 5)...)
	conn, status := connect(server, fmt.Sprintf("epoch=%s&offset=0&seen=3", s.hub.epoch), http.Header{"Sec-WebSocket-Protocol": {Protocol}})
	if status != 101 {
		t.Fatal(status)
	}
	awaitClients(t, s, 1)
	for _, c := range s.listClients() {
		if c.authenticated() {
			t.Error("the client is authenticated before it has sent its token")
		}
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"auth","token":"`+token+`"}`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"type":"subscribed","epoch":"` + s.hub.epoch + `","offset":3,"seen":0,"recovered":true}`, `{"n":3,"status":"new"}`, `{"n":4,"status":"new"}`} {
		if got := read(t, conn); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
