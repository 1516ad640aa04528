package websocket

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
)

// withAuthorize returns a function that sets tokens, and a rule that is no equality.
func withAuthorize(t *testing.T, rule string, names ...string) func(*Options) {
	return func(o *Options) {
		for _, name := range names {
			o.Auth.Tokens = append(o.Auth.Tokens, options.Map[options.Secret]{{Key: name, Value: options.NewSecret("token-of-" + name + "-0123456789")}}...)
		}
		if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
			t.Fatal(err)
		}
	}
}

func tokenHeader(name string) http.Header { return bearerHeader("token-of-" + name + "-0123456789") }

// TestFiltersDoNotDelayRights: a client without a filter gets its events while the filters of others still read the
// history.
func TestFiltersDoNotDelayRights(t *testing.T) {
	s, server := newSink(t, func(o *Options) {
		withAuthorize(t, `n >= 0 && claims.sub != ""`, "ada", "mallory")(o)
		o.Limits.FilterTime, o.Limits.FiltersPerAddress = 0, 100
	}, httptest.NewServer)
	const past, filters, live = 40, 6, 10
	for n := range past {
		s.send(t, &event.Event{Data: fmt.Appendf(nil, `{"n":%d,"order":{"customer_name":"%s"}}`, n, strings.Repeat("Ada ", 3000))})
	}
	conn := tryConnect(t, server, "", tokenHeader("ada"))
	awaitClients(t, s, 1)
	asking, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	for i := range filters {
		r, err := http.NewRequestWithContext(asking, "GET", server.URL+"/?offset=0&epoch="+s.hub.epoch+"&filter="+url.QueryEscape(costlyFilter(i)), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = tokenHeader("mallory")
		r.Header.Set("Accept", "text/event-stream")
		go func() {
			if resp, err := http.DefaultClient.Do(r); err == nil {
				resp.Body.Close()
			}
		}()
	}
	awaitTopics(t, s, 1+filters)
	for n := range live {
		s.write(t, fmt.Sprintf(`{"n":%d}`, past+n))
		if got := read(t, conn); got != fmt.Sprintf(`{"n":%d}`, past+n) {
			t.Fatalf("got %.40s", got)
		}
	}
	if s.backfilled() == filters {
		t.Error("each live event waited for a turn of every filter")
	}
}

// backfilled returns the number of filters that have read the history.
func (s *sink) backfilled() (n int) {
	f := s.hub.feeders[filterFeeder]
	f.ask(func() {
		for _, t := range f.list {
			if t.begin == 0 {
				n++
			}
		}
	})
	return n
}

// longTask is a task that needs a whole turn.
type longTask struct{ runs *int }

func (l longTask) run(*feeder, time.Time) bool {
	time.Sleep(2 * turnTime)
	*l.runs++
	return true
}

// TestTurnsArePerAddress: an address with many tasks gets as many turns as an address with one.
func TestTurnsArePerAddress(t *testing.T) {
	q := newTurns()
	var a, b int
	for range 3 {
		q.add("a", longTask{&a})
	}
	q.add("b", longTask{&b})
	for round := 1; round <= 3; round++ {
		if !q.round(nil) || a != round || b != 1 {
			t.Errorf("after %d rounds %d tasks of a and %d of b have run", round, a, b)
		}
	}
	if q.round(nil) || len(q.byAddress) > 0 {
		t.Error("a task remains")
	}
}

// TestEndOfRightsTopicMentionsNoFilter: a client without a filter gets a reason that mentions no filter when its topic ends.
func TestEndOfRightsTopicMentionsNoFilter(t *testing.T) {
	s, server := newSink(t, func(o *Options) {
		withAuthorize(t, `n >= 0 && claims.sub != ""`, "ada")(o)
		o.MaxLag.Events = 100
	}, httptest.NewServer)
	header := tokenHeader("ada")
	header.Set("Sec-WebSocket-Protocol", Protocol)
	conn := tryConnect(t, server, "", header)
	read(t, conn)
	s.send(t, orders(0, 5000)...) // at once
	if got := read(t, conn); !strings.Contains(got, "the gateway is too slow") || strings.Contains(got, "filter") {
		t.Errorf("the reason is %s", got)
	}
}

// TestNewFilterDelaysNoLiveEvents: a client without a filter waits for no filter of others, not even for one that reads
// the history.
func TestNewFilterDelaysNoLiveEvents(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.Limits.FilterTime = 0 }, httptest.NewServer)
	s.send(t, namedEvents(0, 1000)...)
	live := dial(t, server, nil)
	awaitClients(t, s, 1)
	const filters = 2
	var asking []net.Conn
	for i := range filters {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /?offset=0&epoch=%s&filter=%s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n", s.hub.epoch, url.QueryEscape(costlyFilter(i)))
		asking = append(asking, conn)
	}
	awaitTopics(t, s, filters)
	for n := range 10 {
		s.write(t, fmt.Sprint("live ", n))
		if got := read(t, live); got != fmt.Sprint("live ", n) {
			t.Fatalf("got %.40s", got)
		}
	}
	if s.backfilled() == filters {
		t.Error("all filters were ready before the events came")
	}
	for _, conn := range asking { // the requests are canceled, and so is their evaluation
		conn.Close()
	}
	s.hub.feeding.Wait()
}
