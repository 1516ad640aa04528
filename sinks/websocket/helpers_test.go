package websocket

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// serve serves the paths that a sink has mounted.
func serve(t testing.TB, env plugin.Env) *httptest.Server {
	s := httptest.NewServer(env.HTTP.(*plugintest.Mounter).Upgrades)
	t.Cleanup(s.Close)
	return s
}

// newSink builds a sink with the default options, changed by set, and serves it until the test ends.
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

// write writes payloads to the sink.
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

// send writes events to the sink.
func (s *sink) send(t testing.TB, events ...*event.Event) {
	t.Helper()
	if err := s.Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

// order returns an event whose payload has an id and a status, in one of two channels.
func order(id int, status string) *event.Event {
	return &event.Event{Channel: []string{"orders", "items"}[id%2], Key: fmt.Sprint(id % 10), Data: fmt.Appendf(nil, `{"n":%d,"status":"%s"}`, id, status)}
}

// orders returns n orders with ascending ids.
func orders(from, n int) (out []*event.Event) {
	for i := range n {
		out = append(out, order(from+i, "new"))
	}
	return out
}

// dial connects to the sink, and closes the connection when the test ends.
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

// read returns the next message.
func read(t testing.TB, conn *websocket.Conn) string {
	t.Helper()
	_, msg, err := conn.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(msg)
}

func clientTLS(s *httptest.Server) *tls.Config {
	if s.TLS == nil {
		return nil
	}
	return s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
}

// connect dials with a header and a query, and returns the status of the answer.
func connect(server *httptest.Server, query string, header http.Header) (*websocket.Conn, int) {
	conn, resp, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/?"+query, header)
	if resp == nil {
		return nil, 0
	}
	if err == nil {
		conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	}
	return conn, resp.StatusCode
}

func bearerHeader(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func awaitClients(t testing.TB, s *sink, n int) {
	t.Helper()
	testenv.Eventually(t, testenv.Wait, fmt.Sprintf("%d clients", n), func() bool { return len(s.listClients()) == n }, func() string { return fmt.Sprint(len(s.listClients())) })
}

// awaitTopics waits until there are n topics beside the main one.
func awaitTopics(t *testing.T, s *sink, n int) {
	t.Helper()
	testenv.Eventually(t, testenv.Wait, fmt.Sprintf("%d topics", n), func() bool { return s.topicCount() == n }, func() string { return fmt.Sprint(s.topicCount()) })
}

// topicCount returns the number of topics beside the main one.
func (s *sink) topicCount() (n int) {
	for _, f := range s.hub.feeders {
		n += int(f.count.Load())
	}
	return n
}

// ask runs a function in a feeder, and waits until it has returned.
func (f *feeder) ask(function func()) {
	done := make(chan struct{})
	f.do(func() { defer close(done); function() })
	<-done
}
