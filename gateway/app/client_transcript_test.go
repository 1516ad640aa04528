package app

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// transcript records a session with a gateway.
type transcript struct {
	t     testing.TB
	port  string
	api   asyncAPI
	conn  *websocket.Conn
	lines []string
	epoch string
}

// connect opens a connection with a query, with its former position if it has one.
func (s *transcript) connect(query string) {
	s.t.Helper()
	s.lines = append(s.lines, fmt.Sprintf("connect  ws://localhost:8080/%s", s.hide(query)))
	dialer := websocket.Dialer{Subprotocols: []string{gapProtocol}}
	conn, _, err := dialer.Dial("ws://127.0.0.1:"+s.port+"/"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	s.conn = conn
}

// send sends a message of the client, and then reads n messages.
func (s *transcript) send(message string, n int) {
	s.t.Helper()
	s.lines = append(s.lines, "client   "+message)
	s.check("request"+messageType(message), message)
	if err := s.conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		s.t.Fatal(err)
	}
	s.read(n)
}

var typeMember = regexp.MustCompile(`^\{"type":"(\w+)"`)

// messageType returns the type of a message, with an upper-case letter.
func messageType(message string) string {
	m := typeMember.FindStringSubmatch(message)[1]
	return strings.ToUpper(m[:1]) + m[1:]
}

func (s *transcript) check(name, message string) {
	s.t.Helper()
	if err := s.api.check(s.t, name, []byte(message)); err != nil {
		s.t.Errorf("%s is not as asyncapi.yaml says: %v", message, err)
	}
}

// read reads n messages. It leaves out positions, and the gap of the start: they may come at any time.
func (s *transcript) read(n int) {
	s.t.Helper()
	for n > 0 {
		_ = s.conn.SetReadDeadline(time.Now().Add(testenv.Wait))
		kind, data, err := s.conn.ReadMessage()
		if err != nil {
			s.t.Fatal(err)
		}
		text, who := string(data), "event    "
		if kind == websocket.BinaryMessage {
			who = "control  "
			name := strings.ToLower(messageType(text))
			s.check(name, text)
			if name == "position" || name == "gap" {
				continue
			}
		}
		if m := regexp.MustCompile(`"epoch":"([^".]+)`).FindStringSubmatch(text); m != nil && s.epoch == "" {
			s.epoch = m[1]
		}
		s.lines = append(s.lines, who+s.hide(text))
		n--
	}
}

// hide replaces what differs in each run.
func (s *transcript) hide(text string) string {
	if s.epoch != "" {
		text = strings.ReplaceAll(text, s.epoch, "7d0c2a")
	}
	return regexp.MustCompile(`"time":"[^"]*"`).ReplaceAllString(text, `"time":"2026-11-26T12:00:00.000Z"`)
}

// TestProtocolTranscript proves that the session in PROTOCOL.md is one that a gateway has, and that its messages are as
// asyncapi.yaml says.
func TestProtocolTranscript(t *testing.T) {
	r := startGateway(t, writeConfig(t, `
http: {listen: "127.0.0.1:${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [told]}}
sinks: {out: {type: websocket, welcome: {type: welcome, msg: hello}}}
routes: {r: {from: [bus], to: [out]}}
`), nil)
	publish := func(payload string) {
		t.Helper()
		if err := testenv.RedisClient(t).Publish(testenv.Context(t), "told", payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	filter := "?filter=" + url.QueryEscape("n >= 10")
	s := &transcript{t: t, port: r.port, api: readAsyncAPI(t)}
	s.connect(filter)
	s.read(2)
	publish(`{"n":12}`)
	s.read(1)
	s.send(`{"type":"subscribe","id":"small","filter":"n < 10"}`, 1)
	publish(`{"n":3}`)
	s.read(2)
	publish(`{"n":14}`)
	s.read(2)
	s.send(`{"type":"subscribe","id":"other","filter":"n <"}`, 1)
	s.send(`{"type":"unsubscribe","id":"small"}`, 1)
	s.send(`{"type":"ping","timestamp":1}`, 1)
	s.conn.Close()
	s.lines = append(s.lines, "         (the connection is lost, and an event comes)")
	publish(`{"n":16}`)
	subscribed := regexp.MustCompile(`"epoch":"([^"]+)","offset":(\d+)`).FindStringSubmatch(strings.ReplaceAll(s.lines[2], "7d0c2a", s.epoch))
	s.connect(fmt.Sprintf("%s&epoch=%s&offset=%s&seen=2", filter, subscribed[1], subscribed[2]))
	s.read(3)

	const page = "../../web/client/PROTOCOL.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```transcript\n.*?```\n")
	want := "```transcript\n" + strings.Join(s.lines, "\n") + "\n```\n"
	switch old := block.FindString(string(text)); {
	case old == "":
		t.Fatalf("%s has no block ```transcript", page)
	case old == want:
	case os.Getenv("PROTOCOL_UPDATE") == "":
		t.Errorf("%s has an old session (PROTOCOL_UPDATE=1 writes it):\n%s", page, want)
	default:
		if err := os.WriteFile(page, []byte(strings.Replace(string(text), old, want, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
