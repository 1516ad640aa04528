package websocket

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// What somebody has found who attacked this sink.

// TestFilterWhileAway: what a client has seen of one subscription says nothing of another.
func TestFilterWhileAway(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := follow(t, server, nil)
	s.send(t, orders(0, 50)...)
	f.until(string(order(49, "new").Data))
	f.conn.Close()
	s.send(t, orders(50, 550)...)
	f.query = url.Values{"filter": {"n % 10 == 0"}}
	f.connect()
	f.wantRecovered(false)
	s.send(t, order(1000, "new"))
	if got := f.until(string(order(1000, "new").Data)); len(got) != 51 {
		t.Errorf("%d messages", len(got))
	}
}

// TestSubscriptionsOneAfterTheOther, before any is answered: each goes on behind what was
// sent, so nothing is missed and nothing comes twice.
func TestSubscriptionsOneAfterTheOther(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := follow(t, server, nil)
	s.send(t, orders(0, 50)...)
	f.until(string(order(49, "new").Data))
	for _, modulus := range []int{10, 5} {
		text := fmt.Sprintf(`{"type":"subscribe","filter":"n %% %d == 0","epoch":"%s","offset":%d,"seen":%d}`, modulus, f.epoch, f.offset, f.seen)
		if err := f.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		f.recovered = nil
		for f.recovered == nil {
			if err := f.read(); err != nil {
				t.Fatal(err)
			}
		}
		f.wantRecovered(true)
	}
	s.send(t, orders(50, 500)...)
	want := slices.Clone(f.got)
	for n := 50; n < 550; n += 5 {
		want = append(want, string(order(n, "new").Data))
	}
	if got := f.until(want[len(want)-1]); !slices.Equal(got, want) {
		t.Errorf("%d messages, want %d", len(got), len(want))
	}
}

// TestNoClaimNoEvents, whatever the condition is.
func TestNoClaimNoEvents(t *testing.T) {
	secret := strings.Repeat("s", 32)
	for _, rule := range []string{`claims.role == "admin" || order.customer_id == claims.sub`, `order.customer_id == claims.sub && true`, `order.tenant not in claims.blocked`, `order.customer_id == claims.sub`} {
		_, server := newSink(t, func(o *Options) {
			o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}
			if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
				t.Fatal(err)
			}
		}, httptest.NewServer)
		token := signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"exp": soon(), "role": "visitor"}, "")
		if _, status := connect(server, "", bearerHeader(token)); status != http.StatusForbidden {
			t.Errorf("%s: %d", rule, status)
		}
	}
}

// TestTenantsAreNoFilters: how many customers there are has nothing to do with max_topics.
func TestTenantsAreNoFilters(t *testing.T) {
	secret := strings.Repeat("s", 32)
	_, server := newSink(t, func(o *Options) {
		o.Auth.JWT, o.MaxTopics = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}, 0
		if err := o.Authorize.UnmarshalText([]byte("id == claims.sub")); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	for n := range 20 {
		token := signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"exp": soon(), "sub": fmt.Sprint(n)}, "")
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

// TestComeBackWithTokenByMessage: nothing is missed, and before it nothing comes, gaps neither.
func TestComeBackWithTokenByMessage(t *testing.T) {
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
	for _, c := range s.all() {
		if c.known() {
			t.Error("it is known before it has shown anything")
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

// TestConflatedInBetween: a client that is lost while it gets what was conflated has no place
// to come back to, and is told so.
func TestConflatedInBetween(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.SlowClient = slowConflate }, httptest.NewServer)
	f := follow(t, server, nil)
	var batch []*event.Event
	for n := range 10 {
		batch = append(batch, &event.Event{Key: fmt.Sprint(n % 3), Data: fmt.Appendf(nil, `{"n":%d}`, n)})
	}
	c := s.all()[0]
	s.hub.mu.Lock()
	now := s.hub.now()
	for _, e := range batch { // as write does, but before anybody is woken
		s.hub.append(e, now)
	}
	s.hub.mu.Unlock()
	if skipped := s.hub.skip(c, true); skipped != 7 {
		t.Errorf("%d messages were skipped, want 7", skipped)
	}
	f.until(`{"n":8}`)
	if want := []string{"gap", `{"n":7}`, `{"n":8}`}; !slices.Equal(f.got, want) {
		t.Errorf("got %v", f.got)
	}
	epoch := f.epoch
	f.conn.Close()
	f.connect()
	if epoch != "none" {
		t.Errorf("in between it has the place %s", epoch)
	}
	f.wantRecovered(false)
	s.Gap(t.Context(), plugin.Gap{Reason: "x"})
}

// TestLeaveOfBytes that are no text stays a control message: these bytes are replaced.
func TestLeaveOfBytes(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := follow(t, server, url.Values{"filter": {`new.s == "a"`}})
	s.send(t, &event.Event{Data: []byte("{\"old\":{\"s\":\"a\"},\"new\":{\"s\":\"b\"},\"x\":\"\xff\"}")})
	if kind, msg, err := f.conn.ReadMessage(); err != nil || !isControl(byte(kind), msg) || !strings.HasPrefix(string(msg), `{"type":"leave"`) || !strings.HasSuffix(string(msg), "\"x\":\"\uFFFD\"}}") {
		t.Errorf("kind %d: %q, %v", kind, msg, err)
	}
}

// TestForgedEvents: a payload makes no server-sent event of its own, and no position.
func TestForgedEvents(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	in := listen(t, server, "filter=true", "")
	in.next()
	place := in.last
	s.write(t, "hello\r\revent: control\rdata: x\rid: E-0-0\r", `{"type":"position","offset":7,"lat":1}`, `{"type":"position","offset":7}`)
	in.want("", "hello\n\nevent: control\ndata: x\nid: E-0-0")
	in.want("", `{"type":"position","offset":7,"lat":1}`)
	in.want("", `{"type":"position","offset":7}`)
	if in.last[:len(in.last)-1] != place[:len(place)-1] {
		t.Errorf("the place went from %s to %s", place, in.last)
	}
	if place == "" {
		t.Error("before the first event there is no place to come back to")
	}
}
