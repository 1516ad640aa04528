package websocket

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// serve serves what a sink has mounted.
func serve(t testing.TB, env plugin.Env) *httptest.Server {
	s := httptest.NewServer(env.HTTP.(*plugintest.Mounter).Upgrades)
	t.Cleanup(s.Close)
	return s
}

func dial(t testing.TB, s *httptest.Server, header http.Header) *websocket.Conn {
	t.Helper()
	conn, _, err := (&websocket.Dialer{TLSClientConfig: clientTLS(s)}).Dial(strings.Replace(s.URL, "http", "ws", 1), header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	return conn
}

func read(t testing.TB, conn *websocket.Conn) string {
	t.Helper()
	_, msg, err := conn.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(msg)
}

func TestConformance(t *testing.T) {
	plugintest.Sink(t, plugintest.SinkHarness{
		Type:      Type(),
		Reachable: func(o any) { o.(*Options).Welcome = options.Map[string]{{Key: "type", Value: "welcome"}} },
		Receive: func(t testing.TB, env plugin.Env) func() string {
			conn := dial(t, serve(t, env), nil)
			if got := read(t, conn); got != `{"type":"welcome"}` {
				t.Errorf("welcome: %s", got)
			}
			return func() string { return read(t, conn) }
		},
	})
}

// newSink builds a sink as set has it, and serves it until the test ends.
func newSink(t testing.TB, set func(*Options), serve func(http.Handler) *httptest.Server) (*sink, *httptest.Server) {
	env := plugintest.Env(t)
	o := Type().Defaults().(*Options)
	if set != nil {
		set(o)
	}
	impl, err := Type().Build(o, env)
	if err != nil {
		t.Fatal(err)
	}
	s := impl.(*sink)
	server := serve(env.HTTP.(*plugintest.Mounter).Upgrades)
	t.Cleanup(func() {
		if err := s.Close(testenv.Context(t)); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return s, server
}

func (s *sink) write(t testing.TB, payloads ...string) {
	t.Helper()
	var events []*event.Event
	for _, p := range payloads {
		events = append(events, &event.Event{Data: []byte(p)})
	}
	if err := s.Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

func TestOrigins(t *testing.T) {
	_, server := newSink(t, func(o *Options) { o.Origins = []string{"http://localhost:5500", "https://Shop.example/"} }, httptest.NewServer)
	for origin, allowed := range map[string]bool{
		"":                            true, // a program
		server.URL:                    true, // the same host
		"http://localhost:5500":       true,
		"https://shop.example":        true,
		"http://localhost:5501":       false,
		"http://shop.example":         false,
		"https://shop.example.evil":   false,
		"https://evil/shop.example":   false,
		"null":                        false,
		"http://" + server.URL + ".x": false,
		"://":                         false,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, resp, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1), header)
		if (err == nil) != allowed {
			t.Errorf("origin %q: %v", origin, err)
		}
		if err != nil && resp.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q is refused with %d", origin, resp.StatusCode)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

func TestGapsReachOnlyThoseWhoAsk(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	old := dial(t, server, nil)
	modern := dial(t, server, http.Header{"Sec-WebSocket-Protocol": {Protocol}})
	if modern.Subprotocol() != Protocol {
		t.Errorf("subprotocol %q", modern.Subprotocol())
	}
	awaitClients(t, s, 2)
	if got := read(t, modern); !strings.HasPrefix(got, `{"type":"subscribed","epoch":"`) {
		t.Errorf("got %s", got)
	}
	s.Gap(t.Context(), plugin.Gap{Source: "bus", Reason: "reconnected"})
	if got := read(t, modern); got != `{"type":"gap","source":"bus","reason":"reconnected"}` {
		t.Errorf("got %s", got)
	}
	s.write(t, "event")
	if a, b := read(t, old), read(t, modern); a != "event" || b != "event" {
		t.Errorf("got %s and %s", a, b)
	}
}

func awaitClients(t testing.TB, s *sink, n int) {
	t.Helper()
	testenv.Eventually(t, testenv.Wait, fmt.Sprintf("%d clients", n), func() bool { return len(s.all()) == n }, func() string { return fmt.Sprint(len(s.all())) })
}

// TestControlFramesBetweenFrames pings in the middle of long writes: every
// message stays whole, over TLS as well, and every ping has its pong.
func TestControlFramesBetweenFrames(t *testing.T) {
	for name, start := range map[string]func(http.Handler) *httptest.Server{"plain": httptest.NewServer, "tls": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			const messages, pings = 2000, 200
			s, server := newSink(t, func(o *Options) { o.Ping = options.Duration(time.Millisecond * 100) }, start)
			conn := dial(t, server, nil)
			awaitClients(t, s, 1)
			pongs := make(chan string, pings)
			conn.SetPongHandler(func(text string) error { pongs <- text; return nil })
			var writers sync.WaitGroup
			writers.Go(func() {
				for i := range pings {
					if err := conn.WriteControl(websocket.PingMessage, []byte(fmt.Sprint(i)), time.Now().Add(testenv.Wait)); err != nil {
						t.Errorf("ping: %v", err)
					}
				}
			})
			writers.Go(func() {
				for i := range messages {
					s.write(t, fmt.Sprint(i, " ", strings.Repeat("x", 5000)))
				}
			})
			for i := range messages {
				if got, want := read(t, conn), fmt.Sprint(i, " ", strings.Repeat("x", 5000)); got != want {
					t.Fatalf("message %d is %.20q... with %d bytes", i, got, len(got))
				}
			}
			writers.Wait()
			go conn.NextReader() // pongs may follow the last message
			for i := range pings {
				select {
				case got := <-pongs:
					if got != fmt.Sprint(i) {
						t.Fatalf("pong %s, want %d", got, i)
					}
				case <-time.After(testenv.Wait):
					t.Fatalf("no pong %d", i)
				}
			}
		})
	}
}

func TestSizesOfFrames(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	conn := dial(t, server, nil)
	awaitClients(t, s, 1)
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, chunkSize - 10, chunkSize, chunkSize + 1, 1 << 20} {
		want := strings.Repeat("y", n)
		s.write(t, want)
		if got := read(t, conn); got != want {
			t.Errorf("%d bytes arrive as %d", n, len(got))
		}
		if frame := appendFrame(nil, opText, []byte(want)); len(frame) != frameSize(n) {
			t.Errorf("frameSize(%d) is %d, but the frame has %d", n, frameSize(n), len(frame))
		}
	}
}

func TestCloseIsAnswered(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	conn := dial(t, server, nil)
	awaitClients(t, s, 1)
	if err := conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		t.Errorf("ended with %v, want the echo of 1000", err)
	}
	awaitClients(t, s, 0)
}

// TestCloseDeliversWhatTheLogHolds, and then the close frame; a client that
// does not read is cut when the time is over.
func TestCloseDeliversWhatTheLogHolds(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	good := dial(t, server, nil)
	awaitClients(t, s, 1)
	const n = 3000
	for i := range n {
		s.write(t, fmt.Sprint(i, strings.Repeat("z", 1000)))
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close(testenv.Context(t)) }()
	for i := range n {
		if got := read(t, good); !strings.HasPrefix(got, fmt.Sprint(i, "z")) {
			t.Fatalf("message %d is %.20q", i, got)
		}
	}
	if _, _, err := good.ReadMessage(); !websocket.IsCloseError(err, closeRestart) {
		t.Errorf("ended with %v, want 1012", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a request after Close is answered with %d", resp.StatusCode)
	}
}

// TestClientsThatLeaveAreForgotten, also where nothing is ever sent.
func TestClientsThatLeaveAreForgotten(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	for range 20 {
		conn := dial(t, server, nil)
		awaitClients(t, s, 1)
		conn.Close()
		awaitClients(t, s, 0)
	}
	s.hub.main.log.mu.Lock()
	defer s.hub.main.log.mu.Unlock()
	if n := len(s.hub.main.log.parked); n != 0 {
		t.Errorf("%d clients that have gone are kept", n)
	}
}
