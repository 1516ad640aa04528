package websocket

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestClosedSinkIsCollected: the memory of a sink that a reload has replaced is released: its clients, their timers and
// connections, its keys of tokens and the HTTP server keep no reference.
func TestClosedSinkIsCollected(t *testing.T) {
	issuer := httptest.NewServer(jwksHandler(t))
	defer issuer.Close()
	var now atomic.Pointer[http.Handler]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*now.Load()).ServeHTTP(w, r) }))
	defer server.Close()
	gone := http.Handler(http.NotFoundHandler())
	url := strings.Replace(server.URL, "http", "ws", 1)
	header := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	var conns []*websocket.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()

	serve := func() (sinkLeft weak.Pointer[sink], hubLeft weak.Pointer[hub], clients []weak.Pointer[client]) {
		env := plugintest.Env(t)
		o := Type().Defaults().(*Options)
		o.Auth = Auth{
			Tokens: options.Map[options.Secret]{{Key: "shop", Value: options.NewSecret("a token that is long enough")}}, Message: true,
			JWT: JWT{Algorithm: "EdDSA", JWKS: options.NewURL(issuer.URL)},
		}
		o.Farewell = 0
		impl, err := Type().Build(o, env)
		if err != nil {
			t.Fatal(err)
		}
		s := impl.(*sink)
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		handler := http.Handler(env.HTTP.(*plugintest.Mounter).Upgrades)
		now.Store(&handler)
		connect := func(query string, header http.Header) {
			conn, _, err := websocket.DefaultDialer.Dial(url+"/"+query, header)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		connect("", header("a token that is long enough"))
		connect("?filter=n%20%3E%201", header("a token that is long enough"))
		connect("", nil) // it never sends its token: a timer is running
		events, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		events.Header = header("a token that is long enough")
		events.Header.Set("Accept", "text/event-stream")
		resp, err := http.DefaultClient.Do(events)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		awaitClients(t, s, 4)
		s.send(t, &event.Event{Data: []byte(`{"n":2,"text":"` + strings.Repeat("x", 100_000) + `"}`)})
		for _, c := range s.listClients() {
			clients = append(clients, weak.Make(c))
		}
		now.Store(&gone)
		if err := s.Close(testenv.Context(t)); err != nil {
			t.Error(err)
		}
		return weak.Make(s), weak.Make(s.hub), clients
	}
	sinkLeft, hubLeft, clients := serve()
	left := func() (names []string) {
		runtime.GC()
		if sinkLeft.Value() != nil {
			names = append(names, "the sink")
		}
		if hubLeft.Value() != nil {
			names = append(names, "its history")
		}
		for _, c := range clients {
			if c.Value() != nil {
				names = append(names, "a client")
			}
		}
		return names
	}
	testenv.Eventually(t, testenv.Wait, "all let go", func() bool { return len(left()) == 0 }, func() string { return fmt.Sprintf("%q", left()) })
}
