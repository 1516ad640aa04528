package websocket

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// TestTokenThatOpensNoChannel proves that a client is refused if its token makes a rule over channels false in each of them.
// This is true at the handshake, by message and at a renewal, as for a token that opens other channels. So it does not learn who is present.
func TestTokenThatOpensNoChannel(t *testing.T) {
	_, server := newSink(t, func(o *Options) {
		keepPresence(o)
		if err := o.Authorize.UnmarshalText([]byte(`claims.member && channel in claims.channels`)); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	token := func(member bool) string {
		return signed(t, jwt.SigningMethodHS256, []byte(presenceSecret), jwt.MapClaims{"sub": "x", "exp": inOneHour(), "member": member, "channels": []string{"room:1"}}, "")
	}
	for member, want := range map[bool]int{true: 101, false: 403} {
		if _, status := connect(server, "channel=room:1", bearerHeader(token(member))); status != want {
			t.Errorf("member %v is answered with %d", member, status)
		}
	}
	header := bearerHeader(token(false))
	header.Set("Sec-WebSocket-Protocol", Protocol)
	conn, _ := connect(server, url.Values{"subscribe": {"none"}}.Encode(), header)
	if conn == nil {
		t.Fatal("refused")
	}
	defer conn.Close()
	outside := presenceClient{t, conn}
	outside.send(`{"type":"subscribe","id":"x","channels":["room:1"],"presence":true}`)
	if m := outside.next("subscribed"); m.Type != "error" || m.ID != "x" || !strings.Contains(m.Reason, "room:1") {
		t.Errorf("%+v", m)
	}
	outside.send(`{"type":"presence","channel":"room:1"}`)
	if m := outside.next("presence"); m.Type != "error" {
		t.Errorf("the client gets %+v", m)
	}
	outside.send(`{"type":"auth","token":"` + token(true) + `"}`)
	outside.send(`{"type":"subscribe","id":"x","channels":["room:1"]}`)
	if m := outside.next("subscribed"); m.Type != "subscribed" {
		t.Errorf("%+v", m)
	}
	outside.send(`{"type":"auth","token":"` + token(false) + `"}`)
	if m := outside.next("auth"); !strings.Contains(m.Reason, "room:1") {
		t.Errorf("%+v", m)
	}
}
