package websocket

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// TestResume: a client that resumes gets every message that it missed, once, for each kind of subscription.
func TestResume(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	for name, query := range map[string]url.Values{
		"all":     {},
		"filter":  {"filter": {`status == "new"`}},
		"channel": {"channel": {"orders", "elsewhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := dialProtocol(t, server, query)
			if f.recovered != nil {
				t.Errorf("recovered is %v although the client does not resume", *f.recovered)
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

// TestResumeReportsNotRecovered: a client that may have missed messages gets recovered false, and then new messages.
func TestResumeReportsNotRecovered(t *testing.T) {
	for name, c := range map[string]struct {
		set       func(*Options)
		meanwhile func(s *sink, f *protocolClient)
	}{
		"history too short": {func(o *Options) { o.History.Events = 10 }, func(s *sink, _ *protocolClient) { s.send(t, orders(0, 3000)...) }},
		"history too old":   {func(o *Options) { o.History.Age = 0 }, func(s *sink, _ *protocolClient) { s.send(t, orders(0, 3)...) }},
		"a gap of the source": {nil, func(s *sink, _ *protocolClient) {
			s.send(t, orders(0, 3)...)
			s.Gap(t.Context(), plugin.Gap{Reason: "x"})
		}},
		"another gateway":     {nil, func(_ *sink, f *protocolClient) { f.epoch = "ELSEWHERE" }},
		"ahead of it":         {nil, func(_ *sink, f *protocolClient) { f.offset = clientOffset(fmt.Sprint(f.offset.number() + 1000)) }},
		"more than there are": {nil, func(_ *sink, f *protocolClient) { f.seen += 5 }},
	} {
		for kind, query := range map[string]url.Values{"all": {}, "filter": {"filter": {"n >= 0"}}} {
			t.Run(name+", "+kind, func(t *testing.T) {
				s, server := newSink(t, c.set, httptest.NewServer)
				f := dialProtocol(t, server, query)
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
				f.wantRecovered(name != "history too old" || kind == "all") // the main topic still has every message
			})
		}
	}
}

// TestFilterWithoutMatchesGetsPositions: a client whose filter matches no event gets position messages, and can resume from
// them.
func TestFilterWithoutMatchesGetsPositions(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.History.Events = 1000 }, httptest.NewServer)
	f := dialProtocol(t, server, url.Values{"filter": {`status == "rare"`}})
	for i := range 50 {
		s.send(t, orders(100*i, 100)...)
	}
	for f.offset.number() < 4000 { // the last quarter of the history may have none yet
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

// TestResumeByNamedPosition: a client resumes behind a message that it names by the option position.
func TestResumeByNamedPosition(t *testing.T) {
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
			f := dialProtocol(t, server, q)
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

// TestResumeWithOtherFilterIsNotRecovered: seen of one subscription is not used for another.
func TestResumeWithOtherFilterIsNotRecovered(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	f := dialProtocol(t, server, nil)
	s.send(t, orders(0, 50)...)
	f.until(string(order(49, "new").Data))
	f.conn.Close()
	s.send(t, orders(50, 550)...)
	f.query = url.Values{"filter": {"n % 10 == 0"}}
	f.connect()
	f.wantRecovered(false)
	s.send(t, order(1000, "new"))
	if got := f.until(string(order(1000, "new").Data)); len(got) != 51 {
		t.Errorf("%d messages", len(got))
	}
}
