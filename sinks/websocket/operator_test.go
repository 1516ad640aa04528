package websocket

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestOperatorSeesClients proves that a client is listed with what it has sent about itself, its subscriptions and its lag.
func TestOperatorSeesClients(t *testing.T) {
	const token = "a-token-of-ada-long-enough"
	s, server := newSink(t, func(o *Options) {
		o.Auth.Tokens = options.Map[options.Secret]{{Key: "ada", Value: options.NewSecret(token)}}
		o.Limits.TrustedProxies = []options.Network{options.NewNetwork("127.0.0.1")}
	}, httptest.NewServer)
	header := http.Header{"Authorization": {"Bearer " + token}, "User-Agent": {"<b>agent</b>" + strings.Repeat("é", 1000)}, "X-Forwarded-For": {"2001:db8::7"}, "Sec-Websocket-Protocol": {Protocol}}
	conn, status := connect(server, "channel=x&filter=n+%3E+1", header)
	if conn == nil {
		t.Fatal(status)
	}
	defer conn.Close()
	awaitClients(t, s, 1)
	s.write(t, `{"n":2}`)
	for got := ""; !strings.Contains(got, `"subscribed"`); {
		got = read(t, conn)
	}
	page := s.Clients(t.Context(), plugin.ClientQuery{Limit: 10})
	if page.Total != 1 || len(page.Clients) != 1 || page.Next != "" {
		t.Fatalf("%+v", page)
	}
	c := page.Clients[0]
	if c.Subject != "ada" || c.Address != "2001:db8::7" || c.Protocol != Protocol || !strings.HasPrefix(c.UserAgent, "<b>agent</b>é") || len(c.UserAgent) > maxShownText+3 || c.Since.IsZero() {
		t.Errorf("%+v", c)
	}
	if c.SubscriptionCount != 1 || fmt.Sprint(c.Subscriptions) != "[{ [x] n > 1}]" {
		t.Errorf("%+v", c.Subscriptions)
	}
	testenv.Eventually(t, testenv.Wait, "sent bytes", func() bool { return s.Clients(t.Context(), plugin.ClientQuery{Limit: 10}).Clients[0].SentBytes > 0 })
	for search, want := range map[string]int{"ADA": 1, "db8::7": 1, "agent": 1, "nothing": 0} {
		if got := s.Clients(t.Context(), plugin.ClientQuery{Limit: 10, Search: search}); len(got.Clients) != want || got.Total != 1 {
			t.Errorf("%s: %+v", search, got)
		}
	}
}

// TestOperatorSeesLag proves that a client that does not read is listed with its lag.
func TestOperatorSeesLag(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	dial(t, server, nil) // it does not read
	awaitClients(t, s, 1)
	for range 300 {
		s.write(t, strings.Repeat("z", 100_000))
	}
	c := s.Clients(t.Context(), plugin.ClientQuery{Limit: 10}).Clients[0]
	if c.LagEvents == 0 || c.LagEvents > 300 || c.LagBytes < 100_000*c.LagEvents {
		t.Errorf("%+v", c)
	}
}

// TestOperatorDisconnectsClient proves that the right client is disconnected, with the code and the reason, and that others are not.
func TestOperatorDisconnectsClient(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	conns := make([]*websocket.Conn, 5)
	for i := range conns {
		conns[i] = dial(t, server, nil)
		awaitClients(t, s, i+1)
	}
	ids := []string{}
	for after, more := "", true; more; {
		page := s.Clients(t.Context(), plugin.ClientQuery{After: after, Limit: 2})
		for _, c := range page.Clients {
			ids = append(ids, c.ID)
		}
		after, more = page.Next, page.Next != ""
	}
	if len(ids) != len(conns) {
		t.Fatalf("%v", ids)
	}
	for i, reconnect := range map[int]bool{1: false, 3: true} {
		want := map[bool]int{false: closeRemoved, true: closeRestart}[reconnect]
		if !s.Disconnect(t.Context(), ids[i], "too curious", reconnect) {
			t.Errorf("client %d was not found", i)
		}
		if _, _, err := conns[i].ReadMessage(); !websocket.IsCloseError(err, want) || !strings.Contains(err.Error(), "too curious") {
			t.Errorf("ended with %v, want %d", err, want)
		}
	}
	if !s.Disconnect(t.Context(), ids[4], "not\xff UTF-8", false) { // which no client accepts in a close frame
		t.Error("client 4 was not found")
	}
	if _, _, err := conns[4].ReadMessage(); !websocket.IsCloseError(err, closeRemoved) || !strings.Contains(err.Error(), "not UTF-8") {
		t.Errorf("ended with %v", err)
	}
	awaitClients(t, s, 2)
	for _, id := range []string{ids[1], "0", "x", "", "-1", "99"} {
		if s.Disconnect(t.Context(), id, "", false) {
			t.Errorf("a client with the ID %q was found", id)
		}
	}
	s.write(t, "still here")
	for _, i := range []int{0, 2} {
		if got := read(t, conns[i]); got != "still here" {
			t.Errorf("client %d got %s", i, got)
		}
	}
}

// TestOperatorDisconnectsStream proves that a client of server-sent events gets the code and the reason before the end.
func TestOperatorDisconnectsStream(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	req, _ := http.NewRequestWithContext(testenv.Context(t), "GET", server.URL, nil)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	awaitClients(t, s, 1)
	c := s.Clients(t.Context(), plugin.ClientQuery{Limit: 1}).Clients[0]
	if c.Protocol != "server-sent events" || !s.Disconnect(t.Context(), c.ID, "too curious", false) {
		t.Errorf("%+v", c)
	}
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), `{"code":4000,"reason":"too curious","type":"close"}`) {
		t.Errorf("%v: %s", err, text)
	}
}

// BenchmarkListClients measures a page of a sink with many clients, from the beginning and by a text that no client has.
func BenchmarkListClients(b *testing.B) {
	const clients = 100_000
	s, _ := newSink(b, nil, httptest.NewServer)
	for range clients {
		c := newClient(s, "127.0.0.1", "agent", nil)
		c.conn = &conn{c: c}
		s.clients.add(c)
	}
	b.Cleanup(func() { s.clients = clientList{} })
	for name, q := range map[string]plugin.ClientQuery{"first page": {Limit: 100}, "search": {Limit: 100, Search: "none"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s.Clients(b.Context(), q)
			}
		})
	}
	b.Run("all under the lock", func(b *testing.B) {
		for b.Loop() {
			s.listClients()
		}
	})
}
