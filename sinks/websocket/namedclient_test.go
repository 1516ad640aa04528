package websocket

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// namedClient is a client with several subscriptions.
type namedClient struct {
	t       testing.TB
	conn    *websocket.Conn
	run     string // the subscription to which messages belong
	subs    map[string]*namedSub
	last    string   // the id of the last control message
	control []string // other control messages, in order
}

// namedSub is what a client knows of a subscription.
type namedSub struct {
	epoch     string
	offset    clientOffset
	seen      uint64
	active    bool
	recovered *bool
	got       []string // payloads and leave messages
}

// dialNamed connects a client with a query.
func dialNamed(t testing.TB, server *httptest.Server, query url.Values) *namedClient {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{Protocol}}
	conn, resp, err := dialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err, resp)
	}
	t.Cleanup(func() { conn.Close() })
	return &namedClient{t: t, conn: conn, subs: map[string]*namedSub{}}
}

// read handles the next frame, and returns the type of a control message, else "".
func (f *namedClient) read() (kind string, err error) {
	f.conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	opcode, msg, err := f.conn.ReadMessage()
	if err != nil {
		return "", err
	}
	var m struct {
		Type, ID, Epoch string
		Offset          clientOffset
		Seen            uint64
		Recovered       *bool
	}
	if !isControl(byte(opcode), msg) {
		f.message(string(msg))
		return "", nil
	}
	if err := json.Unmarshal(msg, &m); err != nil || m.Type == "" {
		f.t.Errorf("control message %q: %v", msg, err)
	}
	f.last = m.ID
	switch s := f.subs[m.ID]; m.Type {
	case "subscribed":
		if s == nil {
			s = &namedSub{}
			f.subs[m.ID] = s
		}
		s.epoch, s.offset, s.seen, s.recovered, s.active = m.Epoch, m.Offset, m.Seen, m.Recovered, true
	case "unsubscribed":
		s.active = false
	case "messages":
		if f.run == m.ID {
			f.t.Errorf("needless %s", msg)
		}
		f.run = m.ID
	case "position":
		f.subs[f.run].offset, f.subs[f.run].seen = m.Offset, 0
	case "leave":
		f.message(string(msg))
	default:
		f.control = append(f.control, string(msg))
	}
	return m.Type, nil
}

func (f *namedClient) message(text string) {
	s := f.subs[f.run]
	if s == nil || !s.active {
		f.t.Errorf("%q belongs to %q, which is not subscribed", text, f.run)
		return
	}
	s.seen++
	s.got = append(s.got, text)
}

// ask sends a message.
func (f *namedClient) ask(format string, args ...any) {
	f.t.Helper()
	if err := f.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)); err != nil {
		f.t.Fatal(err)
	}
}

// subscribe adds a subscription, from the position that the client knows of it, and waits for the answer.
func (f *namedClient) subscribe(id, members string) {
	f.t.Helper()
	if s := f.subs[id]; s != nil {
		members += fmt.Sprintf(`,"epoch":"%s","offset":%q,"seen":%d`, s.epoch, s.offset, s.seen)
	}
	f.ask(`{"type":"subscribe","id":"%s"%s}`, id, members)
	for f.await("subscribed"); f.last != id; f.await("subscribed") {
	}
}

// await reads up to the next control message of a type.
func (f *namedClient) await(want string) {
	f.t.Helper()
	for {
		kind, err := f.read()
		if err != nil {
			f.t.Fatalf("%v while waiting for %s; %v", err, want, f.control)
		}
		if kind == want {
			return
		}
		if kind == "error" {
			f.t.Fatalf("%s instead of %s", f.control[len(f.control)-1], want)
		}
	}
}

// fail sends a message, and returns the error that answers it.
func (f *namedClient) fail(format string, args ...any) string {
	f.t.Helper()
	f.ask(format, args...)
	for {
		kind, err := f.read()
		if err != nil {
			f.t.Fatal(err)
		}
		if kind == "error" {
			return f.control[len(f.control)-1]
		}
	}
}

// until reads until a subscription has got a message, and returns what it has got.
func (f *namedClient) until(id, last string) []string {
	f.t.Helper()
	for {
		if s := f.subs[id]; s != nil && len(s.got) > 0 && s.got[len(s.got)-1] == last {
			return s.got
		}
		if _, err := f.read(); err != nil {
			for name, sub := range f.subs {
				f.t.Errorf("%q has got %d messages, the last %.100q", name, len(sub.got), sub.got[max(len(sub.got)-3, 0):])
			}
			f.t.Fatalf("%q: %v; %v", id, err, f.control)
		}
	}
}

// pong reads everything that was sent before.
func (f *namedClient) pong() {
	f.t.Helper()
	f.ask(`{"type":"ping"}`)
	f.await("pong")
}
