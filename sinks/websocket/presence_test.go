package websocket

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

const presenceSecret = "a secret that is long enough for HS256"

// keepPresence configures presence with subjects, for clients with signed tokens.
func keepPresence(o *Options) {
	o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(presenceSecret)}
	o.Presence.Channels, o.Presence.Subjects, o.Presence.Linger = []string{"room:*"}, true, 0
}

// presenceMessage is a presence message, or an error.
type presenceMessage struct {
	Type, Channel, Reason  string
	ID                     string
	Clients                int
	Subjects, Joined, Left []string
	Partial                bool
}

// presenceClient is a client with a token of its own.
type presenceClient struct {
	t    testing.TB
	conn *websocket.Conn
}

func dialPresence(t testing.TB, server *httptest.Server, subject, query string) presenceClient {
	t.Helper()
	header := bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(presenceSecret), jwt.MapClaims{"sub": subject, "exp": inOneHour()}, ""))
	header.Set("Sec-WebSocket-Protocol", Protocol)
	conn, status := connect(server, query, header)
	if conn == nil {
		t.Fatalf("answered with %d", status)
	}
	t.Cleanup(func() { conn.Close() })
	return presenceClient{t, conn}
}

func (c presenceClient) send(text string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next control message of a type, or an error message.
func (c presenceClient) next(kind string) (m presenceMessage) {
	c.t.Helper()
	for {
		c.conn.SetReadDeadline(time.Now().Add(testenv.Wait))
		opcode, text, err := c.conn.ReadMessage()
		if err != nil {
			c.t.Fatal(err)
		}
		m = presenceMessage{}
		if isControl(byte(opcode), text) && json.Unmarshal(text, &m) == nil && (m.Type == kind || m.Type == "error") {
			return m
		}
	}
}

// want checks the next presence message.
func (c presenceClient) want(channel string, clients int, subjects, joined, left string) {
	c.t.Helper()
	m := c.next("presence")
	got := fmt.Sprint(m.Channel, m.Clients, m.Subjects, m.Joined, m.Left)
	if want := fmt.Sprint(channel, clients, strings.Fields(subjects), strings.Fields(joined), strings.Fields(left)); got != want {
		c.t.Errorf("got %s %s, want %s", got, m.Reason, want)
	}
}

// TestPresence proves that a client that watches a channel gets its state, and then the subjects that join and leave. All
// clients on it count: those of several connections, of server-sent events, and without the protocol.
func TestPresence(t *testing.T) {
	s, server := newSink(t, keepPresence, httptest.NewServer)
	a := dialPresence(t, server, "ann", "channel=room:1&presence=true")
	if m := a.next("subscribed"); m.Type != "subscribed" {
		t.Errorf("%+v", m)
	}
	a.want("room:1", 1, "ann", "", "")
	b := dialPresence(t, server, "bob", "subscribe=none")
	b.send(`{"type":"subscribe","id":"x","channels":["room:1","room:2","news"],"filter":"n == 1"}`)
	a.want("room:1", 2, "", "bob", "")
	b.send(`{"type":"presence","channel":"room:2"}`)
	b.want("room:2", 1, "bob", "", "")
	b.send(`{"type":"subscribe","id":"y","channels":["room:1"]}`) // the same client
	all := dialPresence(t, server, "cid", "channel=room:*")       // on no channel
	events, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/?channel=room:1&presence=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	events.Header = bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(presenceSecret), jwt.MapClaims{"sub": "eve", "exp": inOneHour()}, ""))
	events.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(events)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a.want("room:1", 3, "", "eve", "")
	plain, _ := connect(server, "channel=room:1&presence=true", bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(presenceSecret), jwt.MapClaims{"sub": "ann", "exp": inOneHour()}, "")))
	a.want("room:1", 4, "", "", "")
	s.send(t, &event.Event{Channel: "room:1", Data: []byte(`{"n":1}`)})
	if _, text, err := plain.ReadMessage(); err != nil || string(text) != `{"n":1}` {
		t.Errorf("a client without the protocol gets %s, %v", text, err)
	}
	plain.Close()
	a.want("room:1", 3, "", "", "")
	b.send(`{"type":"unsubscribe","id":"x"}`)
	b.send(`{"type":"presence","channel":"room:2"}`)
	if m := b.next("presence"); m.Type != "error" || m.Channel != "room:2" || !strings.Contains(m.Reason, `"room:2"`) {
		t.Errorf("%+v", m)
	}
	b.send(`{"type":"unsubscribe","id":"y"}`)
	a.want("room:1", 2, "", "", "bob")
	for _, channel := range []string{"room:1", "room:*", "news", "", strings.Repeat("x", 3000)} {
		all.send(fmt.Sprintf(`{"type":"presence","channel":"%s"}`, channel))
		if m := all.next("presence"); m.Type != "error" || len(m.Reason) > 500 {
			t.Errorf("%s: %+v", channel, m)
		}
	}
	buf := make([]byte, 4096)
	text := ""
	for !strings.Contains(text, `"subjects":["ann","bob","eve"]`) {
		n, err := resp.Body.Read(buf)
		if err != nil {
			t.Fatal(err, text)
		}
		text += string(buf[:n])
	}
	for _, c := range s.listClients() {
		c.close(restartFrame(), "shutdown", false)
	}
	awaitClients(t, s, 0)
	testenv.Eventually(t, testenv.Wait, "without channels", func() bool { return s.presence.Channels() == 0 })
}

// TestPresenceWithATokenByMessage proves that a client is present when its token has come, and under the subject of its last one.
func TestPresenceWithATokenByMessage(t *testing.T) {
	_, server := newSink(t, func(o *Options) { keepPresence(o); o.Auth.Message = true }, httptest.NewServer)
	a := dialPresence(t, server, "ann", "channel=room:1&presence=true")
	a.want("room:1", 1, "ann", "", "")
	conn, _ := connect(server, "channel=room:1&presence=true", http.Header{"Sec-Websocket-Protocol": {Protocol}})
	defer conn.Close()
	b := presenceClient{t, conn}
	b.send(`{"type":"presence","channel":"room:1"}`) // ignored
	token := func(subject any) {
		b.send(fmt.Sprintf(`{"type":"auth","token":"%s"}`, signed(t, jwt.SigningMethodHS256, []byte(presenceSecret), jwt.MapClaims{"sub": subject, "exp": inOneHour()}, "")))
	}
	token("bob")
	b.want("room:1", 2, "ann bob", "", "")
	a.want("room:1", 2, "", "bob", "")
	token("bert")
	a.want("room:1", 2, "", "bert", "bob")
}

// TestPresenceNeedsTheRightToAChannel proves that a client whose token does not open a channel is not on it, and does not learn which clients are.
func TestPresenceNeedsTheRightToAChannel(t *testing.T) {
	_, server := newSink(t, func(o *Options) {
		keepPresence(o)
		if err := o.Authorize.UnmarshalText([]byte(`channel == "room:" + claims.sub`)); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	a := dialPresence(t, server, "ann", "channel=room:ann&presence=true")
	a.want("room:ann", 1, "ann", "", "")
	b := dialPresence(t, server, "bob", "channel=room:*&presence=true")
	b.send(`{"type":"subscribe","id":"x","channels":["room:ann"],"presence":true}`)
	if m := b.next("presence"); m.Type != "error" || m.ID != "x" {
		t.Errorf("%+v", m)
	}
	b.send(`{"type":"presence","channel":"room:ann"}`)
	if m := b.next("presence"); m.Type != "error" {
		t.Errorf("%+v", m)
	}
	a.send(`{"type":"presence","channel":"room:ann"}`)
	a.want("room:ann", 1, "ann", "", "")
}

// TestPresenceOfTwoSinks proves that two sinks add up their clients through Redis.
func TestPresenceOfTwoSinks(t *testing.T) {
	shared := func(o *Options) {
		keepPresence(o)
		o.Presence.Redis, o.Presence.Prefix = options.NewURL(testenv.Redis(t).URL()), "test:sinks:"
	}
	one, atOne := newSink(t, shared, httptest.NewServer)
	_, atTwo := newSink(t, shared, httptest.NewServer)
	a := dialPresence(t, atOne, "ann", "channel=room:1&presence=true")
	a.want("room:1", 1, "ann", "", "")
	b := dialPresence(t, atTwo, "bob", "channel=room:1&presence=true")
	b.want("room:1", 2, "ann bob", "", "")
	a.want("room:1", 2, "", "bob", "")
	b.conn.Close()
	a.want("room:1", 1, "", "", "bob")
	for _, f := range one.Probe(testenv.Context(t)) {
		if f.Level == plugin.Problem {
			t.Errorf("%+v", f)
		}
	}
}

// TestPresenceIsOff proves that a sink without presence refuses the question, and keeps nothing for a client.
func TestPresenceIsOff(t *testing.T) {
	s, server := newSink(t, func(o *Options) { keepPresence(o); o.Presence.Channels = nil }, httptest.NewServer)
	a := dialPresence(t, server, "ann", "channel=room:1&presence=true")
	a.send(`{"type":"presence","channel":"room:1"}`)
	if m := a.next("presence"); m.Type != "error" || !strings.Contains(m.Reason, "no presence") {
		t.Errorf("%+v", m)
	}
	if i := slices.IndexFunc(s.listClients(), func(c *client) bool { return c.presence != nil }); i >= 0 || s.presence != nil {
		t.Error("the sink keeps presence")
	}
}
