package websocket

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// namedEvents returns events with a long text for patterns.
func namedEvents(from, n int) (out []*event.Event) {
	for i := range n {
		out = append(out, &event.Event{Data: fmt.Appendf(nil, `{"n":%d,"order":{"customer_name":"%s"}}`, from+i, strings.Repeat("Ada ", 300))})
	}
	return out
}

// costlyFilter returns a filter that costs as much as the bounds allow; number makes it unique.
func costlyFilter(number int) string {
	return fmt.Sprintf(`n != -%d && order.customer_name matches "(?:[a-zA-Z ]?){95}!"`, number)
}

// dialFilter connects with a filter, and returns the status and the text of the answer.
func dialFilter(t testing.TB, server *httptest.Server, filter string) (*websocket.Conn, int, string) {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/?filter="+url.QueryEscape(filter), http.Header{"Sec-WebSocket-Protocol": {Protocol}})
	if resp == nil {
		t.Fatal(err)
	}
	if err != nil {
		text, _ := io.ReadAll(resp.Body)
		return nil, resp.StatusCode, string(text)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	return conn, resp.StatusCode, ""
}

// TestCostlyPatternIsRefused: a pattern beyond the bounds is refused before it is evaluated, by request and by message.
func TestCostlyPatternIsRefused(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	s.send(t, namedEvents(0, 5000)...)
	const pattern = `order.customer_name matches "(?:\\pL?){1000}z"`
	for _, filter := range []string{pattern, pattern + " || " + pattern + " || " + pattern} {
		if _, status, text := dialFilter(t, server, filter); status != 400 || !strings.Contains(text, "at most 300 instructions") {
			t.Errorf("%s is answered with %d %s", filter, status, text)
		}
	}
	conn, _, _ := dialFilter(t, server, "n == 1")
	read(t, conn)
	if err := conn.WriteJSON(map[string]string{"type": "subscribe", "filter": pattern}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, conn); !strings.Contains(got, "at most 300 instructions") {
		t.Errorf("got %s", got)
	}
}

// TestFilterBeyondTimeIsEnded: a filter beyond limits.filter_time is ended, and its client gets the reason. Its address
// gets no other filter for a while; other clients are not affected.
func TestFilterBeyondTimeIsEnded(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.Limits.FilterTime = options.Duration(time.Millisecond) }, httptest.NewServer)
	live := dial(t, server, nil)
	awaitClients(t, s, 1)
	conn, status, text := dialFilter(t, server, costlyFilter(0))
	if status != 101 {
		t.Fatal(status, text)
	}
	read(t, conn) // subscribed
	sent := 0
	for ; testutil.ToFloat64(s.metrics.filtersEnded.WithLabelValues("time")) == 0; sent += 100 {
		if sent > 100_000 {
			t.Fatal("the filter is not ended")
		}
		s.send(t, namedEvents(sent, 100)...)
		s.hub.drainFeeders(t.Context())
	}
	if got := read(t, conn); !strings.HasPrefix(got, `{"type":"error","reason":"this filter takes more than `) {
		t.Errorf("the reason is %.200s", got)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, closePolicy) || !strings.Contains(err.Error(), "of time a second") {
		t.Errorf("it ends with %v", err)
	}
	awaitClients(t, s, 1)
	if _, status, text := dialFilter(t, server, "n == 1"); status != 429 || !strings.Contains(text, "try again later") {
		t.Errorf("another filter is answered with %d %s", status, text)
	}
	for n := range sent {
		if got := read(t, live); !strings.HasPrefix(got, fmt.Sprintf(`{"n":%d,`, n)) {
			t.Fatalf("message %d is %.40s", n, got)
		}
	}
	if n := s.topicCount(); n != 0 {
		t.Errorf("%d topics remain", n)
	}
}

// TestFilterBeyondMaxLagIsEnded: a filter whose lag exceeds max_lag is ended.
func TestFilterBeyondMaxLagIsEnded(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.MaxLag.Events = 1000 }, httptest.NewServer)
	conn, _, _ := dialFilter(t, server, "n < 0")
	read(t, conn)
	s.send(t, orders(0, 5000)...) // at once
	if got := read(t, conn); !strings.Contains(got, "a lag of ") {
		t.Errorf("the reason is %s", got)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, closeSlow) {
		t.Errorf("it ends with %v", err)
	}
	if n := testutil.ToFloat64(s.metrics.filtersEnded.WithLabelValues("behind")); n != 1 {
		t.Errorf("the metric counts %v", n)
	}
}

// TestFilterMemoryIsShared: limits.filter_memory bounds the memory of all filters. A client that resumes from messages that
// a filter no longer holds gets them from the history. No memory counts after the last client has gone.
func TestFilterMemoryIsShared(t *testing.T) {
	const memory, filters, past = 1 << 20, 20, 4000
	s, server := newSink(t, func(o *Options) {
		o.Limits.FilterMemory, o.Limits.FiltersPerAddress = memory, 100
		o.Limits.FilterTime = 0 // this is about memory
	}, httptest.NewServer)
	var clients []*protocolClient
	for i := range filters {
		clients = append(clients, dialProtocol(t, server, url.Values{"filter": {fmt.Sprintf("n %% 2 == 0 || n == -%d", i)}}))
	}
	for n := range past / 100 { // half of them match, and none of these are adjacent
		s.send(t, orders(100*n, 100)...)
		s.hub.drainFeeders(t.Context())
		if held := s.hub.memory.bytes.Load(); held > memory {
			t.Fatalf("%d filters hold %d bytes", filters, held)
		}
	}
	if held := s.hub.memory.bytes.Load(); held < memory/2 {
		t.Errorf("%d filters hold only %d bytes", filters, held)
	}
	again := dialProtocol(t, server, url.Values{"filter": {"n % 2 == 0 || n == -0"}, "epoch": {s.hub.epoch}, "offset": {"0"}})
	again.wantRecovered(true)
	for _, c := range append(clients, again) {
		if got := c.until(string(order(past-2, "new").Data)); len(got) != past/2 {
			t.Errorf("%d messages, want %d", len(got), past/2)
		}
	}
	for _, c := range append(clients, again) {
		c.conn.Close()
	}
	awaitClients(t, s, 0)
	awaitTopics(t, s, 0)
	s.hub.feeding.Wait()
	f := s.hub.feeders[filterFeeder]
	if held := s.hub.memory.bytes.Load(); held != 0 || len(f.budgets.byAddress) > 0 || f.budgets.filtered != 0 || f.budgets.unindexed != 0 || len(f.topics) > 0 || f.ready > 0 {
		t.Errorf("%d bytes remain, %+v, %d topics, %d of them ready", held, f.budgets, len(f.topics), f.ready)
	}
}

// TestSlowestFilterClientsAreEvicted: if the lags of clients with filters take more than limits.filter_memory, then those with
// the greatest lags are evicted.
func TestSlowestFilterClientsAreEvicted(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.Limits.FilterMemory = 10 * chunkBytes }, httptest.NewServer)
	for i := range 3 {
		dialProtocol(t, server, url.Values{"filter": {fmt.Sprintf("n == %d", i/2)}})
	}
	awaitClients(t, s, 3)
	clients := s.listClients()
	one, two := &topic{}, &topic{}
	s.boundMemory([]lagging{{clients[0].readers[0], one, lag{chunks: 4}}, {clients[1].readers[0], two, lag{chunks: 20}}, {clients[2].readers[0], one, lag{chunks: 7}}})
	testenv.Eventually(t, testenv.Wait, "an evicted client", func() bool { return len(s.listClients()) == 2 })
	if !clients[1].closed() || clients[0].closed() || clients[2].closed() {
		t.Error("another client than the slowest was evicted")
	}
}

// TestFiltersPerAddressAreBounded: an address may have a quarter of max_topics. Clients of one filter count once. A
// filter that an index finds does not count.
func TestFiltersPerAddressAreBounded(t *testing.T) {
	s, server := newSink(t, func(o *Options) {
		o.MaxTopics = 8
		o.Limits.TrustedProxies = []options.Network{options.NewNetwork("127.0.0.0/8"), options.NewNetwork("::1")}
	}, httptest.NewServer)
	from := func(address, filter string, want int) *websocket.Conn {
		t.Helper()
		conn, status := connect(server, "filter="+url.QueryEscape(filter), http.Header{"X-Forwarded-For": {address}})
		if status != want {
			t.Errorf("%s, %s: %d, want %d", address, filter, status, want)
		}
		if conn != nil {
			t.Cleanup(func() { conn.Close() })
		}
		return conn
	}
	from("198.51.100.1", "n > 1", 101)
	second := from("198.51.100.1", "n > 2", 101)
	from("198.51.100.1", "n > 2", 101)
	from("198.51.100.1", "n > 3", 429)
	from("198.51.100.2", "n > 3", 101)
	from("198.51.100.1", "n > 3", 429) // the topic exists, but the address has two others
	from("2001:db8::1", "n > 1", 101)
	from("2001:db8::2", "n > 2", 101)
	from("2001:db8::3", "n > 3", 429) // a host has a whole network of 64 bits
	from("2001:db8:0:1::3", "n > 3", 101)
	second.Close()
	from("198.51.100.1", "n > 3", 429) // another client has the same filter
	for n := range 20 {
		from("198.51.100.1", fmt.Sprintf("n == %d", n), 101)
	}
	if n := s.topicCount(); n != 3+20 {
		t.Errorf("%d topics", n)
	}
}
