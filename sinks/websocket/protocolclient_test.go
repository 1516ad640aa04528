package websocket

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// protocolClient is a client that speaks the protocol, and resumes when it connects again.
type protocolClient struct {
	t      testing.TB
	server *httptest.Server
	query  url.Values
	conn   *websocket.Conn

	compression bool // offer it

	epoch     string
	offset    clientOffset
	seen      uint64
	recovered *bool // of the last subscribed message
	got       []string
}

// dialProtocol connects a client that speaks the protocol.
func dialProtocol(t testing.TB, server *httptest.Server, query url.Values) *protocolClient {
	t.Helper()
	f := &protocolClient{t: t, server: server, query: query}
	f.connect()
	return f
}

// connect connects, resumes if it was connected before, and waits for the subscribed message.
func (f *protocolClient) connect() {
	f.t.Helper()
	q := url.Values{}
	for name, values := range f.query {
		q[name] = values
	}
	if f.epoch != "" {
		q.Set("epoch", f.epoch)
		q.Set("offset", fmt.Sprint(f.offset))
		q.Set("seen", fmt.Sprint(f.seen))
	}
	dialer := websocket.Dialer{Subprotocols: []string{Protocol}, EnableCompression: f.compression}
	conn, resp, err := dialer.Dial(strings.Replace(f.server.URL, "http", "ws", 1)+"/?"+q.Encode(), nil)
	if err != nil {
		f.t.Fatal(err, resp)
	}
	f.conn, f.recovered = conn, nil
	f.t.Cleanup(func() { conn.Close() })
	for before := f.epoch; f.epoch == before && f.recovered == nil; {
		f.read()
	}
}

// read handles the next frame. It returns an error when the connection has ended.
func (f *protocolClient) read() error {
	f.conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	kind, msg, err := f.conn.ReadMessage()
	if err != nil {
		return err
	}
	var m struct {
		Type      string
		Epoch     string
		Offset    clientOffset
		Seen      uint64
		Recovered *bool
	}
	if isControl(byte(kind), msg) {
		if err := json.Unmarshal(msg, &m); err != nil || m.Type == "" {
			f.t.Errorf("control message %q: %v", msg, err)
		}
	}
	switch m.Type {
	case "subscribed":
		f.epoch, f.offset, f.seen, f.recovered = m.Epoch, m.Offset, m.Seen, m.Recovered
	case "position":
		f.offset, f.seen = m.Offset, 0
	case "gap", "welcome", "pong", "error":
		f.got = append(f.got, m.Type)
	default:
		f.seen++
		f.got = append(f.got, string(msg))
	}
	return nil
}

// until reads until a message has come, and returns all messages so far.
func (f *protocolClient) until(last string) []string {
	f.t.Helper()
	for !slices.Contains(f.got, last) {
		if err := f.read(); err != nil {
			f.t.Fatalf("%v; got %d messages", err, len(f.got))
		}
	}
	return f.got
}

// wantRecovered checks the last subscribed message.
func (f *protocolClient) wantRecovered(want bool) {
	f.t.Helper()
	if f.recovered == nil || *f.recovered != want {
		f.t.Errorf("recovered is %v, want %v", f.recovered, want)
	}
}
