package websocket

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
)

// filtersOfClients are cheap, costly, invalid and refused filters.
var filtersOfClients = []string{
	"n > 5", "n == %d", `order.owner == "c%d"`, `order.text matches "(?:[a-z ]?){95}!" && n != %d`, `n / 0 > %d`, "order.missing.deeper == %d",
	`order.text matches "(?:\\pL?){1000}z"`, "((((n", `any(order.items, # > %d)`, `old.owner == "c%d" || new.owner == "c1"`,
}

// TestClientChurn: clients connect with filters, change them, send invalid messages and leave, while events of all
// sizes come. A client without a filter gets all events in order. Clients with rights get their own only.
// At the end nothing of the others remains. CHURN_SECONDS makes the test longer.
func TestClientChurn(t *testing.T) {
	duration := time.Duration(countFromEnv("CHURN_SECONDS", 2)) * time.Second
	const secret = "a secret that is long enough for HS256"
	s, server := newSink(t, func(o *Options) {
		o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}
		if err := o.Authorize.UnmarshalText([]byte(`order.owner == claims.sub || claims.all ?? false`)); err != nil {
			t.Fatal(err)
		}
		o.Limits.FilterTime, o.Limits.FiltersPerAddress = options.Duration(50*time.Millisecond), 100
		o.MaxLag.Events = 10_000_000
	}, httptest.NewServer)
	login := func(claims jwt.MapClaims, query string) (*websocket.Conn, error) {
		claims["exp"] = inOneHour()
		header := bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(secret), claims, ""))
		header.Set("Sec-WebSocket-Protocol", Protocol)
		conn, resp, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/?"+query, header)
		if err != nil && resp != nil && resp.StatusCode < http.StatusBadRequest {
			t.Errorf("answered with %d", resp.StatusCode)
		}
		return conn, err
	}
	var readers, filterClients sync.WaitGroup
	end := func(n int) string { return fmt.Sprintf(`{"n":%d,"order":{"owner":"end"}}`, n) }
	follow := func(claims jwt.MapClaims, check func(payload string) (done bool)) {
		conn, err := login(claims, "")
		if err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			defer conn.Close()
			for {
				kind, msg, err := conn.ReadMessage()
				if err != nil {
					t.Errorf("%v: %v", claims["sub"], err)
					return
				}
				if kind == websocket.TextMessage && check(string(msg)) {
					return
				}
			}
		})
	}
	next, own := 0, [3]int{}
	follow(jwt.MapClaims{"sub": "x", "all": true}, func(p string) bool {
		if !strings.HasPrefix(p, fmt.Sprintf(`{"n":%d,`, next)) {
			t.Errorf("event %d is %.60s", next, p)
			return true
		}
		next++
		return strings.Contains(p, `"owner":"end"`)
	})
	for i := range own {
		owner := fmt.Sprintf(`"owner":"c%d"`, i)
		follow(jwt.MapClaims{"sub": fmt.Sprintf("c%d", i)}, func(p string) bool {
			if own[i]++; !strings.Contains(p, owner) {
				t.Errorf("c%d gets %.60s", i, p)
			}
			return strings.Contains(p, `"last":true`)
		})
	}
	awaitClients(t, s, 1+len(own))
	stop := time.Now().Add(duration)
	for id := range 8 {
		filterClients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(id), 1))
			ask := func() string {
				f := filtersOfClients[random.IntN(len(filtersOfClients))]
				if strings.Contains(f, "%d") {
					f = fmt.Sprintf(f, random.IntN(50))
				}
				return f
			}
			for time.Now().Before(stop) {
				conn, err := login(jwt.MapClaims{"sub": fmt.Sprintf("c%d", 10+random.IntN(5))}, "filter="+url.QueryEscape(ask()))
				if err != nil { // refused
					continue
				}
				for range random.IntN(5) {
					_ = conn.WriteJSON(map[string]string{"type": "subscribe", "filter": ask()}) // the connection may be closed
					if kind, msg, err := conn.ReadMessage(); err == nil && kind == websocket.TextMessage && !strings.Contains(string(msg), `"owner":"c1`) {
						t.Errorf("a client with a filter gets %.60s", msg)
					}
				}
				conn.Close()
			}
		})
	}
	sent, events := [3]int{}, 0
	random := rand.New(rand.NewPCG(99, 1))
	for ; time.Now().Before(stop); events++ {
		if events%500 == 0 { // no faster than filters are evaluated
			s.hub.drainFeeders(t.Context())
		}
		owner, size := random.IntN(15), 200
		if random.IntN(500) == 0 {
			size = 200_000
		}
		if owner < len(sent) {
			sent[owner]++
		}
		s.send(t, &event.Event{Data: fmt.Appendf(nil, `{"n":%d,"order":{"owner":"c%d","items":[1,2],"text":"%s"}}`, events, owner, strings.Repeat("abc ", size/4))})
	}
	filterClients.Wait()
	for i := range sent {
		s.send(t, &event.Event{Data: fmt.Appendf(nil, `{"n":%d,"order":{"owner":"c%d","last":true}}`, events, i)})
		sent[i]++
		events++
	}
	s.send(t, &event.Event{Data: []byte(end(events))})
	readers.Wait()
	if own != sent || next != events+1 {
		t.Errorf("received %v of %v, and %d of %d", own, sent, next, events+1)
	}
	awaitClients(t, s, 0)
	awaitTopics(t, s, 0)
	if kept := s.hub.memory.bytes.Load(); kept != 0 {
		t.Errorf("without filters %d bytes are held", kept)
	}
}
