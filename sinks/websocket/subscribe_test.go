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

// TestSubscribeByMessage: a subscribe message changes the subscription without a gap. A wrong one changes nothing.
func TestSubscribeByMessage(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialProtocol(t, server, nil)
	s.send(t, order(1, "new"))
	f.until(string(order(1, "new").Data))
	ask := func(text string) {
		if err := f.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	ask(fmt.Sprintf(`{"type":"subscribe","filter":"status == \"old\"","epoch":"%s","offset":%s,"seen":%d}`, f.epoch, f.offset, f.seen))
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
	f.until(string(order(5, "old").Data)) // the subscription is unchanged
	if n := s.topicCount(); n != 1 {
		t.Errorf("%d topics", n)
	}
	f.conn.Close()
	awaitClients(t, s, 0)
	testenv.Eventually(t, testenv.Wait, "without topics", func() bool { return s.topicCount() == 0 })
}

// TestLeaveAnnouncesRow: a row that an update or a delete removes from a filter is announced.
func TestLeaveAnnouncesRow(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialProtocol(t, server, url.Values{"filter": {`new.status == "pending"`}})
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

// TestTooManyTopicsAreRefused: subscriptions beyond max_topics are refused before the upgrade.
func TestTooManyTopicsAreRefused(t *testing.T) {
	_, server := newSink(t, func(o *Options) { o.MaxTopics = 1 }, httptest.NewServer)
	f := dialProtocol(t, server, url.Values{"filter": {"n > 1"}})
	dialProtocol(t, server, url.Values{"filter": {"n > 1"}})
	for query, status := range map[string]int{"filter=n>2": 503, "filter=n==2": 101, "channel=orders": 101, "filter=n==": 400, "seen=x": 400, "after=1": 101} {
		q, _ := url.ParseQuery(query)
		_, resp, _ := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/?"+q.Encode(), nil)
		if resp == nil || resp.StatusCode != status {
			t.Errorf("%s is answered with %v", query, resp)
		}
	}
	f.conn.Close()
}

// TestPipelinedSubscribesResumeInOrder: several subscribe messages without waiting for answers each continue behind the
// messages sent, so that none is missed or repeated.
func TestPipelinedSubscribesResumeInOrder(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialProtocol(t, server, nil)
	s.send(t, orders(0, 50)...)
	f.until(string(order(49, "new").Data))
	for _, modulus := range []int{10, 5} {
		text := fmt.Sprintf(`{"type":"subscribe","filter":"n %% %d == 0","epoch":"%s","offset":%s,"seen":%d}`, modulus, f.epoch, f.offset, f.seen)
		if err := f.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		f.recovered = nil
		for f.recovered == nil {
			if err := f.read(); err != nil {
				t.Fatal(err)
			}
		}
		f.wantRecovered(true)
	}
	s.send(t, orders(50, 500)...)
	want := slices.Clone(f.got)
	for n := 50; n < 550; n += 5 {
		want = append(want, string(order(n, "new").Data))
	}
	if got := f.until(want[len(want)-1]); !slices.Equal(got, want) {
		t.Errorf("%d messages, want %d", len(got), len(want))
	}
}

// TestSubscribeLosesAndRepeatsNothing: messages that are in both subscriptions come once and in order when a client changes its
// subscription while events come.
func TestSubscribeLosesAndRepeatsNothing(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.History.Events = 50_000 }, httptest.NewServer)
	f := dialProtocol(t, server, nil)
	stop, written := make(chan struct{}), make(chan int, 1)
	go func() {
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for n := 0; ; n += 10 {
			s.send(t, orders(n, 10)...)
			select {
			case <-stop:
				written <- n + 10
				return
			case <-pace.C:
			}
		}
	}()
	for i := range 9 { // below subscribeBurst
		filter := []string{"n % 2 == 0", "", "n % 2 == 0 || n % 3 == 0"}[i%3]
		text := fmt.Sprintf(`{"type":"subscribe","filter":"%s","epoch":"%s","offset":%s,"seen":%d}`, filter, f.epoch, f.offset, f.seen)
		if err := f.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		for f.recovered = nil; f.recovered == nil; {
			if err := f.read(); err != nil {
				t.Fatal(err)
			}
		}
		f.wantRecovered(true)
		for range 20 {
			if err := f.read(); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	n := <-written
	s.write(t, `{"n":-2}`)
	f.until(`{"n":-2}`)
	var got []string
	for _, msg := range f.got {
		var m int
		if _, err := fmt.Sscanf(msg, `{"n":%d,`, &m); err == nil && m%2 == 0 {
			got = append(got, msg)
		}
	}
	var want []string
	for m := 0; m < n; m += 2 {
		want = append(want, string(order(m, "new").Data))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d messages, want %d", len(got), len(want))
	}
}
