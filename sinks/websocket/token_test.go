package websocket

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
)

// tokenSink returns a sink whose clients see the events of their own customer, and a function that signs tokens.
func tokenSink(t *testing.T) (*sink, *httptest.Server, func(sub string, expires time.Time) string) {
	secret := strings.Repeat("s", 32)
	s, server := newSink(t, func(o *Options) {
		o.Auth.JWT, o.Auth.Query = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}, "token"
		if err := o.Authorize.UnmarshalText([]byte("order.customer == claims.sub")); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	return s, server, func(sub string, expires time.Time) string {
		return signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": sub, "exp": expires.Unix()}, "")
	}
}

// readControl reads messages up to the next control message of a type, and returns it. Payloads go to f.got.
func (f *protocolClient) readControl(kind string) (message struct {
	Reason  string
	Expires int64
	Seconds float64
}) {
	f.t.Helper()
	for {
		opcode, msg, err := f.conn.ReadMessage()
		if err != nil {
			f.t.Fatal(err)
		}
		if opcode == websocket.TextMessage {
			f.got = append(f.got, string(msg))
		} else if strings.HasPrefix(string(msg), `{"type":"`+kind+`"`) {
			if err := json.Unmarshal(msg, &message); err != nil {
				f.t.Fatal(err)
			}
			return message
		}
	}
}

// TestTokenIsRenewed: a client gets an expiring message, sends a new token, and stays connected beyond the end of the first
// one, without a gap. When the last token expires, it gets the reason before the close.
func TestTokenIsRenewed(t *testing.T) {
	s, server, token := tokenSink(t)
	own := func(n int) *event.Event {
		return &event.Event{Data: fmt.Appendf(nil, `{"n":%d,"order":{"customer":"ada"}}`, n)}
	}
	first := time.Unix(time.Now().Add(3*time.Second-jwtLeeway).Unix(), 0) // exp has whole seconds
	f := dialProtocol(t, server, url.Values{"token": {token("ada", first)}})
	s.send(t, own(1))
	if m := f.readControl("expiring"); m.Seconds <= 0 || m.Seconds > 3 {
		t.Errorf("it expires in %v s", m.Seconds)
	}
	second := first.Add(2 * time.Second)
	if err := f.conn.WriteJSON(map[string]string{"type": "auth", "token": token("ada", second)}); err != nil {
		t.Fatal(err)
	}
	if m := f.readControl("auth"); m.Expires != second.Unix() || m.Reason != "" {
		t.Errorf("the answer is %+v", m)
	}
	s.send(t, own(2))
	f.readControl("expiring") // the second one
	s.send(t, own(3))
	if m := f.readControl("error"); m.Reason != errExpired.Error() {
		t.Errorf("the reason is %q", m.Reason)
	}
	if early := time.Until(second.Add(jwtLeeway)); early > 0 {
		t.Errorf("it expires %v too early", early)
	}
	if _, _, err := f.conn.ReadMessage(); !websocket.IsCloseError(err, closePolicy) {
		t.Errorf("it ends with %v", err)
	}
	if want := []string{string(own(1).Data), string(own(2).Data), string(own(3).Data)}; !slices.Equal(f.got, want) {
		t.Errorf("got %q", f.got)
	}
}

// TestRenewalChangesRights: a token with other claims changes what the client gets from there on, without a gap. A wrong token
// changes nothing, and neither do too many.
func TestRenewalChangesRights(t *testing.T) {
	s, server, token := tokenSink(t)
	f := dialProtocol(t, server, url.Values{"token": {token("ada", time.Now().Add(time.Hour))}})
	n := 0
	send := func() {
		for _, customer := range []string{"ada", "grace"} {
			n++
			s.send(t, &event.Event{Data: fmt.Appendf(nil, `{"n":%d,"order":{"customer":"%s"}}`, n, customer)})
		}
	}
	auth := func(token string) (reason string) {
		if err := f.conn.WriteJSON(map[string]string{"type": "auth", "token": token}); err != nil {
			t.Fatal(err)
		}
		return f.readControl("auth").Reason
	}
	send() // 1, 2
	if reason := auth(token("grace", time.Now().Add(-time.Hour))); reason == "" {
		t.Error("a token that has expired is accepted")
	}
	if reason := auth("wrong"); reason == "" {
		t.Error("a wrong token is accepted")
	}
	if reason := auth(token("", time.Now().Add(time.Hour))); !strings.Contains(reason, "lacks a claim") {
		t.Errorf("a token without the claim: %q", reason)
	}
	f.until(`{"n":1,"order":{"customer":"ada"}}`)
	send() // 3, 4
	f.until(`{"n":3,"order":{"customer":"ada"}}`)
	if reason := auth(token("grace", time.Now().Add(time.Hour))); reason != "" {
		t.Error(reason)
	}
	send() // 5, 6
	f.until(`{"n":6,"order":{"customer":"grace"}}`)
	if want := []string{`{"n":1,"order":{"customer":"ada"}}`, `{"n":3,"order":{"customer":"ada"}}`, `{"n":4,"order":{"customer":"grace"}}`, `{"n":6,"order":{"customer":"grace"}}`}; !slices.Equal(f.got, want) && !slices.Equal(f.got, slices.Delete(want, 2, 3)) {
		t.Errorf("got %q", f.got) // 4 was written before the client was sent 3, or behind it
	}
	for range 5 * (subscribeBurst + s.opts.Limits.Subscriptions) { // a slow machine gives the limit time to allow some more
		if reason := auth(token("grace", time.Now().Add(time.Hour))); reason != "" {
			if reason != errTooManyRenewals.Error() {
				t.Error(reason)
			}
			return
		}
	}
	t.Error("any number of tokens is accepted")
}
