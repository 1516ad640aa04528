package websocket

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// follower is a client that speaks the protocol: it comes back where it was.
type follower struct {
	t      testing.TB
	server *httptest.Server
	query  url.Values
	conn   *websocket.Conn

	epoch        string
	offset, seen uint64
	recovered    *bool // what the last subscribed said
	got          []string
}

func follow(t testing.TB, server *httptest.Server, query url.Values) *follower {
	t.Helper()
	f := &follower{t: t, server: server, query: query}
	f.connect()
	return f
}

// connect connects, and waits until it is subscribed.
func (f *follower) connect() {
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
	dialer := websocket.Dialer{Subprotocols: []string{Protocol}}
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

// read takes the next frame; it returns an error where the connection has ended.
func (f *follower) read() error {
	f.conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	kind, msg, err := f.conn.ReadMessage()
	if err != nil {
		return err
	}
	var m struct {
		Type         string
		Epoch        string
		Offset, Seen uint64
		Recovered    *bool
	}
	if kind == websocket.TextMessage {
		_ = json.Unmarshal(msg, &m) // other messages are none of these
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

// until reads until it has got a message.
func (f *follower) until(last string) []string {
	f.t.Helper()
	for !slices.Contains(f.got, last) {
		if err := f.read(); err != nil {
			f.t.Fatalf("%v; got %d messages", err, len(f.got))
		}
	}
	return f.got
}

func (f *follower) wantRecovered(want bool) {
	f.t.Helper()
	if f.recovered == nil || *f.recovered != want {
		f.t.Errorf("recovered is %v, want %v", f.recovered, want)
	}
}

// order is an event whose payload has an id and a status, as two tables have it.
func order(id int, status string) *event.Event {
	return &event.Event{Channel: []string{"orders", "items"}[id%2], Key: fmt.Sprint(id % 10), Data: fmt.Appendf(nil, `{"n":%d,"status":"%s"}`, id, status)}
}

func (s *sink) send(t testing.TB, events ...*event.Event) {
	t.Helper()
	if err := s.Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

func TestResume(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	for name, query := range map[string]url.Values{
		"all":     {},
		"filter":  {"filter": {`status == "new"`}},
		"channel": {"channel": {"orders", "elsewhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := follow(t, server, query)
			if f.recovered != nil {
				t.Errorf("recovered is %v although nothing was asked", *f.recovered)
			}
			want := func(from, to int) (out []string) {
				for n := from; n < to; n++ {
					e := order(n, []string{"new", "old", "new"}[n%3])
					s.send(t, e)
					if name == "all" || name == "filter" && n%3 != 1 || name == "channel" && n%2 == 0 {
						out = append(out, string(e.Data))
					}
				}
				return out
			}
			all := want(0, 100)
			for round := 1; round < 5; round++ {
				f.until(all[len(all)-1])
				f.conn.Close()
				all = append(all, want(100*round, 100*round+100)...)
				f.connect()
				f.wantRecovered(true)
			}
			if got := f.until(all[len(all)-1]); !slices.Equal(got, all) {
				t.Errorf("got %d messages, want %d:\n%v", len(got), len(all), got)
			}
		})
	}
}

// TestNotRecovered: where something may be missing, the client is told, and goes on with
// what comes next.
func TestNotRecovered(t *testing.T) {
	for name, c := range map[string]struct {
		set       func(*Options)
		meanwhile func(s *sink, f *follower)
	}{
		"history too short":   {func(o *Options) { o.History.Events = 10 }, func(s *sink, _ *follower) { s.send(t, orders(0, 3000)...) }},
		"history too old":     {func(o *Options) { o.History.Age = 0 }, func(s *sink, _ *follower) { s.send(t, orders(0, 3)...) }},
		"a gap of the source": {nil, func(s *sink, _ *follower) { s.send(t, orders(0, 3)...); s.Gap(t.Context(), plugin.Gap{Reason: "x"}) }},
		"another gateway":     {nil, func(_ *sink, f *follower) { f.epoch = "ELSEWHERE" }},
		"ahead of it":         {nil, func(_ *sink, f *follower) { f.offset += 1000 }},
		"more than there are": {nil, func(_ *sink, f *follower) { f.seen += 5 }},
	} {
		for kind, query := range map[string]url.Values{"all": {}, "filter": {"filter": {"n >= 0"}}} {
			t.Run(name+", "+kind, func(t *testing.T) {
				s, server := newSink(t, c.set, httptest.NewServer)
				f := follow(t, server, query)
				s.send(t, order(1, "first"))
				f.until(string(order(1, "first").Data))
				f.conn.Close()
				c.meanwhile(s, f)
				f.connect()
				f.wantRecovered(false)
				last := order(5000, "last")
				s.send(t, last)
				if got := f.until(string(last.Data)); len(got) != 2 {
					t.Errorf("got %v", got)
				}
				f.conn.Close()
				f.connect()
				f.wantRecovered(name != "history too old" || kind == "all") // that one has everything
			})
		}
	}
}

func orders(from, n int) (out []*event.Event) {
	for i := range n {
		out = append(out, order(from+i, "new"))
	}
	return out
}

// TestQuietFilter: a client whose filter nothing passes for long is told its position, and
// does not lose it.
func TestQuietFilter(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.History.Events = 1000 }, httptest.NewServer)
	f := follow(t, server, url.Values{"filter": {`status == "rare"`}})
	for i := range 50 {
		s.send(t, orders(100*i, 100)...)
	}
	for f.offset < 4500 {
		if err := f.read(); err != nil {
			t.Fatal(err)
		}
	}
	f.conn.Close()
	s.send(t, order(1, "rare"))
	f.connect()
	f.wantRecovered(true)
	f.until(string(order(1, "rare").Data))
}

// TestNamedPosition: a client names the last message that it has by a field, at any gateway.
func TestNamedPosition(t *testing.T) {
	set := func(o *Options) { o.Position = expr.MustCompile("_pub_id") }
	message := func(n int) *event.Event {
		return &event.Event{Data: fmt.Appendf(nil, `{"status":"%d","_pub_id":%d}`, n%2, n)}
	}
	var servers []*httptest.Server
	var sinks []*sink
	for range 2 {
		s, server := newSink(t, set, httptest.NewServer)
		servers, sinks = append(servers, server), append(sinks, s)
	}
	for n := range 20 {
		for _, s := range sinks {
			s.send(t, message(n))
		}
	}
	for query, want := range map[string][]string{
		"after=17":                      {string(message(18).Data), string(message(19).Data)},
		"after=17&filter=status=='1'":   {string(message(19).Data)},
		"after=19":                      nil,
		"after=19&filter=status=='1'":   nil,
		"after=20":                      nil,
		"after=unknown&channel=nothing": nil,
	} {
		for i, server := range servers {
			q, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			f := follow(t, server, q)
			f.wantRecovered(q.Get("after") != "20" && q.Get("after") != "unknown")
			sinks[i].send(t, order(77, "end"))
			if q.Get("filter") == "" && q.Get("channel") == "" {
				got := f.until(string(order(77, "end").Data))
				if !slices.Equal(got[:len(got)-1], want) {
					t.Errorf("%s: got %v", query, got)
				}
			} else if len(want) > 0 {
				if got := f.until(want[len(want)-1]); !slices.Equal(got, want) {
					t.Errorf("%s: got %v", query, got)
				}
			}
			f.conn.Close()
		}
	}
}

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
	for begin := time.Now(); s.topicCount() != 0; time.Sleep(time.Millisecond) {
		if time.Since(begin) > testenv.Wait {
			t.Fatal("a topic is left")
		}
	}
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

// TestRecoveryStorm drops clients again and again while events come: none misses anything,
// gets anything twice, or is told wrongly.
func TestRecoveryStorm(t *testing.T) {
	clients, drops := times("STORM_CLIENTS", 30), times("STORM_DROPS", 10)
	s, server := newSink(t, func(o *Options) { o.History.Events = 50_000; o.History.Age = options.Duration(time.Hour) }, httptest.NewServer)
	stop, written := make(chan struct{}), make(chan int, 1)
	go func() {
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		n := 0
		for {
			select {
			case <-stop:
				written <- n
				return
			case <-pace.C:
				s.send(t, orders(n, 10)...) // 2,000 a second
				n += 10
			}
		}
	}()
	var following sync.WaitGroup
	errs := make(chan error, clients)
	for i := range clients {
		following.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			modulus := 1 + i%4
			query := url.Values{}
			if modulus > 1 {
				query.Set("filter", fmt.Sprintf("n %% %d == 0", modulus))
			}
			f := follow(t, server, query)
			for range drops {
				for range 1 + rnd.IntN(200) {
					if err := f.read(); err != nil {
						errs <- err
						return
					}
				}
				f.conn.Close()
				time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond) // it is away
				f.connect()
				f.wantRecovered(true)
			}
			last := -1
			for _, msg := range f.got {
				var m struct{ N int }
				if err := json.Unmarshal([]byte(msg), &m); err != nil || m.N%modulus != 0 || last >= 0 && m.N != last+modulus {
					errs <- fmt.Errorf("client %d: %s after %d, %v", i, msg, last, err)
					return
				}
				last = m.N
			}
			f.conn.Close()
		})
	}
	following.Wait()
	close(stop)
	t.Logf("%d events", <-written)
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

// times returns how large a test is: the variable says, else it is small.
func times(variable string, few int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return few
}

func (s *sink) topicCount() int {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return len(s.hub.topics)
}
