package websocket

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// TestSubscribeByMessage changes what comes, without a break.
func TestSubscribeByMessage(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := follow(t, server, nil)
	s.send(t, order(1, "new"))
	f.until(string(order(1, "new").Data))
	ask := func(text string) {
		if err := f.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	ask(fmt.Sprintf(`{"type":"subscribe","filter":"status == \"old\"","epoch":"%s","offset":%d,"seen":%d}`, f.epoch, f.offset, f.seen))
	f.recovered = nil
	for f.recovered == nil {
		if err := f.read(); err != nil {
			t.Fatal(err)
		}
	}
	f.wantRecovered(true)
	s.send(t, order(2, "new"), order(3, "old"))
	if got := f.until(string(order(3, "old").Data)); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	for filter, want := range map[string]string{"status ==": "unexpected", "now() > 1": "cannot use now", "repeat(\\\"x\\\", 1000000000)": "repeat", strings.Repeat("x", 2000): "1024 bytes"} {
		ask(`{"type":"subscribe","filter":"` + filter + `"}`)
		f.conn.SetReadDeadline(time.Now().Add(testenv.Wait))
		_, msg, err := f.conn.ReadMessage()
		if err != nil || !strings.HasPrefix(string(msg), `{"type":"error"`) || !strings.Contains(string(msg), want) {
			t.Errorf("%s: %s, %v", filter, msg, err)
		}
	}
	s.send(t, order(5, "old"))
	f.until(string(order(5, "old").Data)) // the subscription is as it was
	if n := s.topicCount(); n != 1 {
		t.Errorf("%d topics", n)
	}
	f.conn.Close()
	awaitClients(t, s, 0)
	testenv.Eventually(t, testenv.Wait, "without topics", func() bool { return s.topicCount() == 0 })
}

// TestLeave: a row that a change takes out of a filter is announced, and so is one that is
// deleted.
func TestLeave(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := follow(t, server, url.Values{"filter": {`new.status == "pending"`}})
	change := func(op, old, now string) *event.Event {
		row := func(status string) string {
			if status == "" {
				return "null"
			}
			return `{"id":1,"status":"` + status + `"}`
		}
		return &event.Event{Data: fmt.Appendf(nil, `{"operation":"%s","old":%s,"new":%s}`, op, row(old), row(now))}
	}
	enters, stays, leaves, away, back, deleted := change("INSERT", "", "pending"), change("UPDATE", "pending", "pending"), change("UPDATE", "pending", "done"),
		change("UPDATE", "done", "shipped"), change("UPDATE", "shipped", "pending"), change("DELETE", "pending", "")
	s.send(t, enters, stays, leaves, away, back, deleted, change("DELETE", "done", ""), &event.Event{Data: []byte("no JSON")}, change("INSERT", "", "pending"))
	leave := func(e *event.Event) string { return `{"type":"leave","message":` + string(e.Data) + `}` }
	want := []string{string(enters.Data), string(stays.Data), leave(leaves), string(back.Data), leave(deleted), string(enters.Data)}
	for len(f.got) < len(want) {
		if err := f.read(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(f.got, want) {
		t.Errorf("got\n%s", strings.Join(f.got, "\n"))
	}
}

// TestTooManyTopics are refused before the upgrade.
func TestTooManyTopics(t *testing.T) {
	_, server := newSink(t, func(o *Options) { o.MaxTopics = 1 }, httptest.NewServer)
	f := follow(t, server, url.Values{"filter": {"n == 1"}})
	follow(t, server, url.Values{"filter": {"n == 1"}})
	for query, status := range map[string]int{"filter=n==2": 503, "filter=n==": 400, "offset=x": 400, "after=1": 101} {
		q, _ := url.ParseQuery(query)
		_, resp, _ := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/?"+q.Encode(), nil)
		if resp == nil || resp.StatusCode != status {
			t.Errorf("%s is answered with %v", query, resp)
		}
	}
	f.conn.Close()
}

func (s *sink) topicCount() int {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return len(s.hub.topics)
}
