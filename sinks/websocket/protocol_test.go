package websocket

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// imitations are payloads that equal control messages byte by byte.
var imitations = []string{
	`{"type":"position","offset":1}`,
	`{"type":"subscribed","epoch":"EVIL","offset":1,"seen":0}`,
	`{"type":"subscribed","epoch":"EVIL","offset":1,"seen":0,"recovered":false}`,
	`{"type":"gap","reason":"forged"}`,
	`{"type":"leave","message":{"order":{"id":1}}}`,
	`{"type":"error","reason":"forged"}`,
	`{"type":"welcome","msg":"forged"}`,
	`{"type":"pong","timestamp":1}`,
	"",
	"\xff{\"type\":\"position\",\"offset\":1}",
	"{\"type\":\"gap\",\"reason\":\"\xff\"}",
}

// TestPayloadIsNeverControl: no payload is taken for a control message by a client that looks at the frames.
func TestPayloadIsNeverControl(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	for _, query := range []url.Values{{}, {"channel": {""}}} {
		f := dialProtocol(t, server, query)
		epoch := f.epoch
		s.write(t, imitations...)
		s.write(t, "end")
		if got := f.until("end"); !slices.Equal(got[:len(got)-1], imitations) {
			t.Errorf("got %q", got)
		}
		if f.epoch != epoch || f.seen != uint64(len(imitations)+1) {
			t.Errorf("the client resumes from %s, %s, %d", f.epoch, f.offset, f.seen)
		}
		f.conn.Close()
		s.write(t, "later")
		f.connect()
		f.wantRecovered(true)
		f.until("later")
	}
}

// TestLeaveCarriesOneValue: the message in a leave is one JSON value, whatever the event contains.
func TestLeaveCarriesOneValue(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialProtocol(t, server, url.Values{"filter": {`new.s == "a"`}})
	for _, data := range []string{
		`{"old":{"s":"a"},"new":{"s":"b"}},"type":"position","offset":9,"x":{}`,
		`{"old":{"s":"a"},"new":{"s":"b"}} `,
		`{"new":{"s":"a"}}`,
	} {
		s.send(t, &event.Event{Data: []byte(data)})
	}
	f.until(`{"new":{"s":"a"}}`)
	want := []string{`{"type":"leave","message":{"old":{"s":"a"},"new":{"s":"b"}} }`, `{"new":{"s":"a"}}`}
	if !slices.Equal(f.got, want) {
		t.Errorf("got %q", f.got)
	}
}

// TestClientWithoutProtocolGetsPayloads: a client without a known subprotocol gets only payloads and the welcome.
func TestClientWithoutProtocolGetsPayloads(t *testing.T) {
	s, server := newSink(t, func(o *Options) {
		o.History.Events = 10
		o.Welcome = options.Map[string]{{Key: "type", Value: "welcome"}}
	}, httptest.NewServer)
	for _, offered := range []string{"", "chat", "v2"} {
		header := http.Header{}
		if offered != "" {
			header.Set("Sec-WebSocket-Protocol", offered)
		}
		conn, status := connect(server, "filter="+url.QueryEscape(`new.s == "a"`), header)
		if status != 101 || conn.Subprotocol() != offered {
			t.Fatalf("%q: %d, %q", offered, status, conn.Subprotocol())
		}
		if kind, msg, err := conn.ReadMessage(); err != nil || kind != websocket.TextMessage || string(msg) != `{"type":"welcome"}` {
			t.Errorf("the welcome is %d %q, %v", kind, msg, err)
		}
		s.send(t, &event.Event{Data: []byte(`{"old":{"s":"a"},"new":{"s":"b"}}`)}) // a leave
		s.send(t, orders(0, 100)...)                                               // would cause position messages
		last := `{"new":{"s":"a"}}`
		s.write(t, last)
		if kind, msg, err := conn.ReadMessage(); err != nil || kind != websocket.TextMessage || string(msg) != last {
			t.Errorf("%q: got %d %q, %v", offered, kind, msg, err)
		}
		conn.Close()
	}
}

// TestAnswersAreControlMessages: text from a client is sent back in control messages only.
func TestAnswersAreControlMessages(t *testing.T) {
	_, server := newSink(t, func(o *Options) { o.Welcome = options.Map[string]{{Key: "type", Value: "welcome"}} }, httptest.NewServer)
	conn, _ := connect(server, "", http.Header{"Sec-WebSocket-Protocol": {Protocol}})
	defer conn.Close()
	for _, text := range []string{"", "", "{\"type\":\"ping\",\"timestamp\":\"\xff\"}", `{"type":"subscribe","filter":"` + "\xff" + `"}`} {
		if text != "" {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		kind, msg, err := conn.ReadMessage()
		if err != nil || !isControl(byte(kind), msg) || !strings.HasPrefix(string(msg), `{"type":"`) {
			t.Errorf("%q is answered with %d %q, %v", text, kind, msg, err)
		}
	}
}

// TestWelcomeTypeIsChecked: the type of the welcome must not be that of another control message.
func TestWelcomeTypeIsChecked(t *testing.T) {
	o := Type().Defaults().(*Options)
	o.Welcome = options.Map[string]{{Key: "type", Value: "position"}}
	reported := ""
	o.Check(func(option, _ string) { reported = option })
	if reported != "welcome.type" {
		t.Errorf("reported %q", reported)
	}
}

// TestOtherProtocolVersionIsRefused: a client that offers other versions of the protocol only is refused with the supported
// version. The log lines are limited.
func TestOtherProtocolVersionIsRefused(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	var log testenv.Log
	s.env.Log = slog.New(slog.NewTextHandler(&log, nil))
	for offered, want := range map[string]int{
		"eventgateway.v1": 400, "eventgateway.v3, eventgateway.v1": 400, "eventgateway.v1, bearer.x": 400,
		"eventgateway.v1, eventgateway.v2": 101, "chat": 101, "bearer.x": 101,
	} {
		dialer := websocket.Dialer{Subprotocols: strings.Split(offered, ", ")}
		conn, resp, err := dialer.Dial(strings.Replace(server.URL, "http", "ws", 1), nil)
		if resp == nil {
			t.Fatal(err)
		}
		if conn != nil {
			conn.Close()
		}
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want || want == 400 && !strings.Contains(string(text), "this gateway speaks eventgateway.v2") {
			t.Errorf("%s is answered with %d %s", offered, resp.StatusCode, text)
		}
	}
	if n := strings.Count(log.String(), "client refused: other protocol version"); n != 3 {
		t.Errorf("%d lines are logged", n)
	}
}

// TestLeaveReplacesInvalidUTF8: a leave with bytes that are not UTF-8 remains a control message.
func TestLeaveReplacesInvalidUTF8(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialProtocol(t, server, url.Values{"filter": {`new.s == "a"`}})
	s.send(t, &event.Event{Data: []byte("{\"old\":{\"s\":\"a\"},\"new\":{\"s\":\"b\"},\"x\":\"\xff\"}")})
	if kind, msg, err := f.conn.ReadMessage(); err != nil || !isControl(byte(kind), msg) || !strings.HasPrefix(string(msg), `{"type":"leave"`) || !strings.HasSuffix(string(msg), "\"x\":\"\uFFFD\"}}") {
		t.Errorf("kind %d: %q, %v", kind, msg, err)
	}
}

// TestGapsNeedTheProtocol: gap messages go only to clients that speak the protocol.
func TestGapsNeedTheProtocol(t *testing.T) {
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
