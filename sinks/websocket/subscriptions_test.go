package websocket

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

func textOf(id int, status string) string { return string(order(id, status).Data) }

// TestSeveralSubscriptions: a client adds and ends subscriptions beside that of its query. Each has its own messages; an event
// of two is sent twice; nothing follows unsubscribed. At the end no topic is left.
func TestSeveralSubscriptions(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialNamed(t, server, url.Values{"channel": {"orders"}})
	f.subscribe("a", `,"filter":"status == \"new\""`)
	f.subscribe("b", `,"channels":["items"]`)
	s.send(t, order(0, "new"), order(1, "new"), order(2, "old"), order(3, "old"), order(4, "new"))
	want := map[string][]string{"": {textOf(0, "new"), textOf(2, "old"), textOf(4, "new")}, "a": {textOf(0, "new"), textOf(1, "new"), textOf(4, "new")}, "b": {textOf(1, "new"), textOf(3, "old")}}
	for id, texts := range want {
		if got := f.until(id, texts[len(texts)-1]); !slices.Equal(got, texts) {
			t.Errorf("%q got %q, want %q", id, got, texts)
		}
	}
	f.ask(`{"type":"unsubscribe","id":"a"}`)
	f.await("unsubscribed")
	s.send(t, order(6, "new"))
	f.until("", textOf(6, "new"))
	f.subscribe("b", `,"filter":"n == 7"`) // in the place of the channel, behind the messages that it was sent
	if r := f.subs["b"].recovered; r == nil || !*r {
		t.Error("b does not continue")
	}
	s.send(t, order(7, "new"), order(9, "new"), order(8, "new"))
	f.until("", textOf(8, "new"))
	f.until("b", textOf(7, "new"))
	f.ask(`{"type":"unsubscribe"}`)
	f.await("unsubscribed")
	s.send(t, order(10, "new"), order(7, "again"))
	f.until("b", textOf(7, "again"))
	if got := f.subs[""].got; got[len(got)-1] != textOf(8, "new") {
		t.Errorf("the client got %s of a subscription that has ended", got[len(got)-1])
	}
	f.conn.Close()
	awaitClients(t, s, 0)
	awaitTopics(t, s, 0)
}

// TestSubscribeNone: a client may begin without a subscription. It gets the welcome, but no event until it subscribes.
func TestSubscribeNone(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.Welcome = options.Map[string]{{Key: "type", Value: "welcome"}} }, httptest.NewServer)
	f := dialNamed(t, server, url.Values{"subscribe": {"none"}})
	f.await("welcome")
	s.send(t, order(1, "new"))
	f.pong()
	f.subscribe("x", "")
	f.subscribe("", `,"filter":"n == 2"`)
	s.send(t, order(2, "new"))
	f.until("x", textOf(2, "new"))
	if got := f.until("", textOf(2, "new")); len(got) != 1 || len(f.subs["x"].got) != 1 {
		t.Errorf("got %q and %q", got, f.subs["x"].got)
	}
	if _, status := connect(server, "subscribe=none", nil); status != 400 {
		t.Errorf("a client without the subprotocol: %d", status)
	}
	if _, status := connect(server, "subscribe=all", http.Header{"Sec-Websocket-Protocol": {Protocol}}); status != 400 {
		t.Errorf("subscribe=all: %d", status)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/?subscribe=none", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	if resp, err := http.DefaultClient.Do(request); err != nil || resp.StatusCode != 400 {
		t.Error(resp, err)
	}
}

// TestBehindReaderDelaysNoOther: a subscription with a large lag does not delay the messages of another by more than a write.
func TestBehindReaderDelaysNoOther(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialNamed(t, server, nil)
	f.await("subscribed")
	at := *f.subs[""]
	large := strings.Repeat("x", 1000)
	for range 8 {
		var batch []*event.Event
		for range 1000 {
			batch = append(batch, &event.Event{Channel: "large", Data: []byte(large)})
		}
		s.send(t, batch...)
	}
	f.ask(`{"type":"unsubscribe"}`)
	f.await("unsubscribed")
	f.subscribe("small", `,"channels":["small"]`)
	f.subs["behind"] = &at
	f.subscribe("behind", `,"channels":["large"]`) // resumes from the begin
	s.send(t, &event.Event{Channel: "small", Data: []byte("small")})
	f.until("small", "small")
	if n := len(f.subs["behind"].got); n > 7000 {
		t.Errorf("the message came behind %d of 8000 others", n)
	}
	for len(f.subs["behind"].got) < 8000 {
		if _, err := f.read(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHostileSubscriptions: what a client may ask for is bounded, and wrong requests change nothing.
func TestHostileSubscriptions(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.Limits.Subscriptions, o.Limits.Messages = 5, 0 }, httptest.NewServer)
	f := dialNamed(t, server, nil)
	f.await("subscribed")
	for _, id := range []string{strings.Repeat("x", 65), "a b", "ä", `\"`, `\u0000`, "a\u2028"} {
		if got := f.fail(`{"type":"subscribe","id":"%s"}`, id); !strings.Contains(got, "is not valid") || strings.Contains(got, `"id"`) {
			t.Errorf("%q: %s", id, got)
		}
		if got := f.fail(`{"type":"unsubscribe","id":"%s"}`, id); !strings.Contains(got, "no subscription") {
			t.Errorf("%q: %s", id, got)
		}
	}
	f.ask(`{"type":"subscribe","id":7}`) // ignored, as other messages that are not of the protocol
	if got := f.fail(`{"type":"unsubscribe","id":"never"}`); got != `{"type":"error","id":"never","reason":"there is no subscription with this id: use the id of your subscribe message"}` {
		t.Error(got)
	}
	for i := range 4 {
		f.subscribe(fmt.Sprint("s", i), fmt.Sprintf(`,"filter":"n == %d"`, i))
	}
	if got := f.fail(`{"type":"subscribe","id":"s4"}`); !strings.Contains(got, `"id":"s4"`) || !strings.Contains(got, "too many subscriptions") {
		t.Error(got)
	}
	if got := f.fail(`{"type":"subscribe","id":"s0","filter":"n =="}`); !strings.Contains(got, `"id":"s0"`) {
		t.Error(got)
	}
	for i := range 1000 { // pipelined: also while the reader of the id changes its topic
		f.ask(`{"type":"subscribe","id":"s%d","filter":"n == %d"}`, i%7, i)
	}
	f.ask(`{"type":"ping"}`)
	for kind := ""; kind != "pong"; {
		var err error
		if kind, err = f.read(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.listClients()[0].readers); n != 5 {
		t.Errorf("%d subscriptions", n)
	}
	if got := f.control[len(f.control)-2]; !strings.Contains(got, "too many subscribe messages") {
		t.Error(got)
	}
	s.send(t, order(1, "new"))
	f.until("", textOf(1, "new"))
	f.conn.Close()
	awaitClients(t, s, 0)
	awaitTopics(t, s, 0)
}

// TestUnreadAnswersAreBounded: a client that sends subscribe and unsubscribe without reading is disconnected.
func TestUnreadAnswersAreBounded(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.Limits.Messages = 0 }, httptest.NewServer)
	f := dialNamed(t, server, nil)
	awaitClients(t, s, 1)
	for {
		if err := f.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"unsubscribe","id":"never"}`)); err != nil {
			break
		}
		if s.listClients() == nil || len(s.listClients()) == 0 || s.listClients()[0].closed() {
			break
		}
	}
	testenv.Eventually(t, testenv.Wait, "no client", func() bool { return len(s.listClients()) == 0 })
}
