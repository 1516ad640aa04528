package websocket

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
)

const rightsSecret = "ssssssssssssssssssssssssssssssss"

// restricted makes a sink whose clients see what a rule says, and a connection of a client
// with claims. It returns what that client gets of payloads, without the last one, which
// everybody with the claim `all` sees.
func seen(t *testing.T, rule string, claims jwt.MapClaims, payloads ...string) []string {
	t.Helper()
	s, server := newSink(t, func(o *Options) {
		o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(rightsSecret)}
		if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	claims["exp"] = soon()
	conn, status := connect(server, "", bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(rightsSecret), claims, "")))
	if status != 101 {
		t.Fatalf("%s: the client is refused with %d", rule, status)
	}
	defer conn.Close()
	awaitClients(t, s, 1)
	for _, p := range payloads {
		s.send(t, &event.Event{Data: []byte(p)})
	}
	var got []string
	for {
		_, msg, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("%s: %v, after %q", rule, err, got)
		}
		if string(msg) == payloads[len(payloads)-1] {
			return got
		}
		got = append(got, string(msg))
	}
}

// TestRightsFailClosed: what cannot be compared shows nothing, negated neither.
func TestRightsFailClosed(t *testing.T) {
	order := func(id string) string { return fmt.Sprintf(`{"order":{"customer_id":%s}}`, id) }
	for _, c := range []struct {
		rule   string
		claims jwt.MapClaims
		end    string
		shown  []string
		hidden []string
	}{
		{
			`!(order.customer_id in claims.blocked)`, jwt.MapClaims{"blocked": []int{7}}, order("9"),
			[]string{order("8"), order("70"), order("7.5")},
			[]string{order("7"), order("7.0"), order("7e0"), order("70e-1"), order(`"7"`), order("null"), order("[7]"), order("{}"), `{"order":{}}`, `{"order":null}`, `{}`, `[]`, `no json`},
		},
		{
			`get(claims, "sub") == order?.customer_id || order.open`, jwt.MapClaims{}, `{"order":{"open":true}}`, nil,
			[]string{`{"order":{"customer_id":null}}`, `{"order":{}}`, `{"order":null}`, `{}`, order("7"), order(`""`)},
		},
	} {
		got := seen(t, c.rule, c.claims, append(append(slices.Clone(c.hidden), c.shown...), c.end)...)
		if !slices.Equal(got, c.shown) {
			t.Errorf("%s with %v shows\n%s\nwant\n%s", c.rule, c.claims, strings.Join(got, "\n"), strings.Join(c.shown, "\n"))
		}
	}
}
