package websocket

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestLimits: clients beyond limits are refused, and admitted again when others have gone.
func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limits   Limits
		accepted int
		status   int
	}{
		"clients":     {Limits{Clients: 3}, 3, 503},
		"per address": {Limits{PerAddress: 2}, 2, 429},
		"handshakes":  {Limits{Handshakes: 4}, 4, 429},
	} {
		t.Run(name, func(t *testing.T) {
			s, server := newSink(t, func(o *Options) { o.Limits = c.limits }, httptest.NewServer)
			var conns []*websocket.Conn
			for range c.accepted {
				conn, status := connect(server, "", nil)
				if status != 101 {
					t.Fatalf("status %d", status)
				}
				conns = append(conns, conn)
			}
			if _, status := connect(server, "", nil); status != c.status {
				t.Errorf("one more: %d", status)
			}
			for _, conn := range conns {
				conn.Close()
			}
			awaitClients(t, s, 0)
			if name == "handshakes" {
				return // the limiter admits more as time goes by
			}
			conn, status := connect(server, "", nil)
			for begin := time.Now(); status != 101 && time.Since(begin) < testenv.Wait; { // the handler ends a moment later
				conn, status = connect(server, "", nil)
			}
			if status != 101 {
				t.Fatalf("after the others have gone: %d", status)
			}
			conn.Close()
		})
	}
}

// TestAddressBehindProxies: X-Forwarded-For and Forwarded are used only from trusted proxies, and only the address that
// they have added.
func TestAddressBehindProxies(t *testing.T) {
	g := newClientLimits(Limits{TrustedProxies: []options.Network{options.NewNetwork("10.0.0.0/8"), options.NewNetwork("::1"), options.NewNetwork("192.0.2.7")}})
	for _, c := range []struct{ remote, forwarded, want string }{
		{"10.1.2.3:1", "198.51.100.1:4711", "198.51.100.1"},
		{"10.1.2.3:1", "[2001:db8::1]:4711", "2001:db8::1"},
		{"10.1.2.3:1", "[2001:db8::1]", "2001:db8::1"},
		{"10.1.2.3:1", "6.6.6.6:1, [2001:DB8::1]:4711 , [::1]:9", "2001:db8::1"},
		{"10.1.2.3:1", "198.51.100.1, [::1", "10.1.2.3"},
		{"10.1.2.3:1", "198.51.100.1:", "198.51.100.1"},
		{"10.1.2.3:1", "Forwarded: for=198.51.100.1", "198.51.100.1"},
		{"10.1.2.3:1", `Forwarded: For="[2001:db8::1]:4711";proto=https;by=203.0.113.43`, "2001:db8::1"},
		{"10.1.2.3:1", `Forwarded: for=6.6.6.6, by="a,b;for=7.7.7.7\";";FOR="198.51.100.1:5", for=10.9.9.9`, "198.51.100.1"},
		{"10.1.2.3:1", "Forwarded: for=198.51.100.1, for=unknown", "10.1.2.3"},
		{"10.1.2.3:1", "Forwarded: for=198.51.100.1, for=_hidden", "10.1.2.3"},
		{"10.1.2.3:1", "Forwarded: for=198.51.100.1, proto=http", "10.1.2.3"},
		{"203.0.113.5:1", "Forwarded: for=198.51.100.1", "203.0.113.5"},
		{"10.1.2.3:1", "198.51.100.1|Forwarded: for=198.51.100.1", "198.51.100.1"},
		{"10.1.2.3:1", "198.51.100.1|Forwarded: for=6.6.6.6", "10.1.2.3"},
		{"203.0.113.5:1", "", "203.0.113.5"},
		{"203.0.113.5:1", "198.51.100.1", "203.0.113.5"},
		{"10.1.2.3:1", "198.51.100.1", "198.51.100.1"},
		{"10.1.2.3:1", "6.6.6.6, 198.51.100.1", "198.51.100.1"},
		{"10.1.2.3:1", "198.51.100.1, 192.0.2.7", "198.51.100.1"},
		{"10.1.2.3:1", "198.51.100.1, evil", "10.1.2.3"},
		{"[::1]:1", "2001:db8::1", "2001:db8::1"},
		{"[::ffff:10.1.2.3]:1", "198.51.100.1", "198.51.100.1"},
		{"10.1.2.3:1", "", "10.1.2.3"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		for header := range strings.SplitSeq(c.forwarded, "|") {
			if elements, ok := strings.CutPrefix(header, "Forwarded: "); ok {
				r.Header.Set("Forwarded", elements)
			} else if header != "" {
				r.Header.Set("X-Forwarded-For", header)
			}
		}
		if got := g.address(r); got != c.want {
			t.Errorf("%s, forwarded for %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

// TestMessageLimitDisconnects: a client that sends more than limits.messages is disconnected.
func TestMessageLimitDisconnects(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.Limits.Messages = 10 }, httptest.NewServer)
	conn := dial(t, server, nil)
	for range 50 {
		if conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"ping"}`)) != nil {
			break
		}
	}
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, closePolicy) {
				t.Errorf("ended with %v", err)
			}
			break
		}
	}
	awaitClients(t, s, 0)
}
