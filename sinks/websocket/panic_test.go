package websocket

import (
	"bytes"
	"context"
	"net"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// panickingListener is a listener whose connections panic when the server writes "poison" to a chosen one,
// or reads it.
type panickingListener struct{ net.Listener }

func (p panickingListener) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	return &panickingConn{Conn: c}, err
}

type panickingConn struct {
	net.Conn
	chosen bool // before anything is written
}

func (c *panickingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if bytes.Contains(b[:n], []byte("/chosen")) {
		c.chosen = true
	}
	return n, err
}

func (c *panickingConn) Write(b []byte) (int, error) {
	if c.chosen && bytes.Contains(b, []byte("poison")) {
		panic("planted")
	}
	return c.Conn.Write(b)
}

// TestPanicEndsOneClient: a panic of a client's goroutine ends this client only: another client, the sink and the process
// continue.
func TestPanicEndsOneClient(t *testing.T) {
	env := plugintest.Env(t)
	panics := make(chan any, 10)
	env.Go = func(f func(context.Context)) {
		go func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- p
				}
			}()
			f(t.Context())
		}()
	}
	impl, err := Type().Build(Type().Defaults(), env)
	if err != nil {
		t.Fatal(err)
	}
	s := impl.(*sink)
	server := httptest.NewUnstartedServer(env.HTTP.(*plugintest.Mounter).Upgrades)
	server.Listener = panickingListener{server.Listener}
	server.Start()
	defer server.Close()
	well := dial(t, server, nil)
	url := server.URL
	server.URL += "/chosen"
	chosen := dial(t, server, nil)
	server.URL = url

	for _, text := range []string{"one", "poison", "three"} {
		if err := s.Write(t.Context(), []*event.Event{{Data: []byte(text)}}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, well); got != text {
			t.Errorf("%q, not %q", got, text)
		}
		if text == "one" { // read before the poison is written: both could be in one write
			if got := read(t, chosen); got != text {
				t.Errorf("%q, not %q", got, text)
			}
		}
	}
	if _, got, err := chosen.ReadMessage(); err == nil {
		t.Errorf("%q after the panic", got)
	}
	if p := <-panics; p != "planted" {
		t.Errorf("Env.Go got %v", p)
	}
	well.Close()
	if err := s.Close(testenv.Context(t)); err != nil {
		t.Error(err)
	}
	if got := testutil.ToFloat64(s.metrics.disconnects.WithLabelValues("panic")); got != 1 {
		t.Errorf("%v clients disconnected because of a panic", got)
	}
	if got := testutil.ToFloat64(s.metrics.clients); got != 0 {
		t.Errorf("%v clients remain", got)
	}
}

// TestFeederPanicEndsItsTopics: a panic of a feeder ends its topics, and is counted. Later clients are served.
func TestFeederPanicEndsItsTopics(t *testing.T) {
	panics := make(chan any, 1)
	env := plugintest.Env(t)
	spawn := env.Go
	env.Go = func(f func(context.Context)) {
		spawn(func(ctx context.Context) {
			defer func() {
				if p := recover(); p != nil {
					panics <- p
				}
			}()
			f(ctx)
		})
	}
	impl, err := Type().Build(Type().Defaults(), env)
	if err != nil {
		t.Fatal(err)
	}
	s, server := impl.(*sink), serve(t, env)
	query := url.Values{"filter": {"n > 1"}}
	f := dialProtocol(t, server, query)
	awaitClients(t, s, 1)
	s.hub.feeders[filterFeeder].do(func() { panic("planted") })
	if p := <-panics; p != "planted" {
		t.Errorf("Env.Go got %v", p)
	}
	for err = error(nil); err == nil; {
		err = f.read()
	}
	if !websocket.IsCloseError(err, closeSlow) {
		t.Errorf("the client ended with %v", err)
	}
	awaitTopics(t, s, 0)
	f = dialProtocol(t, server, query)
	s.write(t, `{"n":2}`)
	f.until(`{"n":2}`)
	f.conn.Close()
	if err := s.Close(testenv.Context(t)); err != nil {
		t.Error(err)
	}
}
