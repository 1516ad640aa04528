package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// script is a gateway whose messages a test writes.
type script struct {
	t     testing.TB
	url   string // ws://
	conns chan *scriptConn
	close func()
}

// scriptConn is a connection of a client to a script.
type scriptConn struct {
	t     testing.TB
	query string
	conn  *websocket.Conn
}

// startScript starts a scripted gateway. snapshot answers requests that are no handshakes; nil: with 404.
func startScript(t testing.TB, snapshot http.HandlerFunc) *script {
	t.Helper()
	s := &script{t: t, conns: make(chan *scriptConn, 100)}
	upgrader := websocket.Upgrader{Subprotocols: []string{gapProtocol}, CheckOrigin: func(*http.Request) bool { return true }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization")
			switch {
			case r.Method == "OPTIONS":
			case snapshot != nil:
				snapshot(w, r)
			default:
				http.NotFound(w, r)
			}
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		s.conns <- &scriptConn{t, r.URL.RawQuery, conn}
	}))
	s.url = "ws" + strings.TrimPrefix(server.URL, "http")
	s.close = server.Close
	t.Cleanup(server.Close)
	return s
}

// accept returns the next connection.
func (s *script) accept() *scriptConn {
	s.t.Helper()
	select {
	case c := <-s.conns:
		s.t.Cleanup(func() { c.conn.Close() })
		return c
	case <-time.After(testenv.Wait):
		s.t.Fatal("no client connects")
		return nil
	}
}

// control sends control messages.
func (c *scriptConn) control(messages ...string) { c.send(websocket.BinaryMessage, messages) }

// payload sends events.
func (c *scriptConn) payload(messages ...string) { c.send(websocket.TextMessage, messages) }

func (c *scriptConn) send(kind int, messages []string) {
	c.t.Helper()
	for _, m := range messages {
		if err := c.conn.WriteMessage(kind, []byte(m)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// expect checks the next message of the client, which is compared as JSON. It ignores pings.
func (c *scriptConn) expect(want string) {
	c.t.Helper()
	if got := c.next(); normalJSON(c.t, got) != normalJSON(c.t, want) {
		c.t.Fatalf("the client sends %s, want %s", got, want)
	}
}

// next returns the next message of the client that is no ping.
func (c *scriptConn) next() string {
	c.t.Helper()
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(testenv.Wait))
		_, m, err := c.conn.ReadMessage()
		if err != nil {
			c.t.Fatal(err)
		}
		if !strings.HasPrefix(string(m), `{"type":"ping"`) {
			return string(m)
		}
	}
}

func normalJSON(t testing.TB, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	b, _ := json.Marshal(v) // decoded JSON always encodes
	return string(b)
}
