package websocket

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
)

// TestTenantsSeeTheirOwnEvents: tenants never get events of others: live, from the history, and as server-sent events; by an
// equality, and by another condition.
func TestTenantsSeeTheirOwnEvents(t *testing.T) {
	secret := strings.Repeat("s", 32)
	for _, rule := range []string{"order.customer_id == claims.sub", "order.customer_id == claims.sub && true"} {
		s, server := newSink(t, func(o *Options) {
			o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}
			o.Auth.Query = "token"
			if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
				t.Fatal(err)
			}
		}, httptest.NewServer)
		token := func(sub string) string {
			return signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": sub, "exp": inOneHour()}, "")
		}
		of := func(tenant string, n int) *event.Event {
			return &event.Event{Data: fmt.Appendf(nil, `{"order":{"customer_id":"%s","n":%d}}`, tenant, n)}
		}
		tenants := []string{"ada", "grace"}
		var followers []*protocolClient
		var streams []*eventSource
		for _, tenant := range tenants {
			followers = append(followers, dialProtocol(t, server, url.Values{"token": {token(tenant)}}))
			streams = append(streams, listen(t, server, "filter=order.n%3E0&token="+token(tenant), ""))
			streams[len(streams)-1].next() // subscribed
		}
		strange := []*event.Event{{Data: []byte("text")}, {Data: []byte(`{"order":null}`)}, {Data: []byte(`{"order":{"customer_id":null}}`)}, {Data: []byte(`{"order":{"customer_id":""}}`)}, {}}
		for n := range 50 {
			s.send(t, of("ada", n), of("grace", n), of("other", n))
			s.send(t, strange...)
		}
		for i, tenant := range tenants {
			f := followers[i]
			f.conn.Close()
			s.send(t, of("ada", 50+2*i), of("grace", 50+2*i), of("other", 50+2*i))
			f.connect()
			f.wantRecovered(true)
			f.until(string(of(tenant, 50+2*i).Data))
			s.send(t, of("ada", 51+2*i), of("grace", 51+2*i))
			f.until(string(of(tenant, 51+2*i).Data))
			for _, msg := range f.got {
				if !strings.Contains(msg, `"`+tenant+`"`) {
					t.Errorf("%s gets %s", tenant, msg)
				}
			}
			if want := 52 + 2*i; len(f.got) != want {
				t.Errorf("%s: %d messages, want %d", tenant, len(f.got), want)
			}
			for n := 1; n < 50; n++ {
				streams[i].want("", string(of(tenant, n).Data))
			}
		}
		if _, status := connect(server, "token="+token(""), nil); rule == "order.customer_id == claims.sub" && status != 403 {
			t.Errorf("without the claim: %d", status)
		}
	}
}

// TestMissingClaimRefusesClient: a client whose token lacks a claim of the rule is refused, for any rule.
func TestMissingClaimRefusesClient(t *testing.T) {
	secret := strings.Repeat("s", 32)
	for _, rule := range []string{`claims.role == "admin" || order.customer_id == claims.sub`, `order.customer_id == claims.sub && true`, `order.tenant not in claims.blocked`, `order.customer_id == claims.sub`} {
		_, server := newSink(t, func(o *Options) {
			o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}
			if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
				t.Fatal(err)
			}
		}, httptest.NewServer)
		token := signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"exp": inOneHour(), "role": "visitor"}, "")
		if _, status := connect(server, "", bearerHeader(token)); status != http.StatusForbidden {
			t.Errorf("%s: %d", rule, status)
		}
	}
}

// TestRightsDoNotCountAsTopics: max_topics does not bound the number of customers.
func TestRightsDoNotCountAsTopics(t *testing.T) {
	secret := strings.Repeat("s", 32)
	_, server := newSink(t, func(o *Options) {
		o.Auth.JWT, o.MaxTopics = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}, 0
		if err := o.Authorize.UnmarshalText([]byte("id == claims.sub")); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	for n := range 20 {
		token := signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"exp": inOneHour(), "sub": fmt.Sprint(n)}, "")
		conn, status := connect(server, "", bearerHeader(token))
		if status != 101 {
			t.Fatalf("customer %d: %d", n, status)
		}
		defer conn.Close()
		if _, status := connect(server, "channel=x", bearerHeader(token)); status != http.StatusBadRequest {
			t.Errorf("a channel where there are none: %d", status)
		}
	}
}
