package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// entryAt returns the event of entry n of a stream, and of the index-th that a transform has made of it.
func entryAt(n int, index uint32) *event.Event {
	e := order(n, []string{"new", "old", "new"}[n%3])
	e.Data = fmt.Appendf(nil, `{"n":%d,"i":%d,"status":"%s"}`, n, index, []string{"new", "old", "new"}[n%3])
	e.Position, e.Time = event.Position{Major: uint64(n), Index: index}, time.Now()
	return e
}

func entriesAt(from, to int) (out []*event.Event) {
	for n := from; n < to; n++ {
		out = append(out, entryAt(n, 0))
	}
	return out
}

// fromStream builds a sink that takes its history from a stream, and fills it with events.
func fromStream(t *testing.T, set func(*Options), events ...*event.Event) (*sink, *httptest.Server) {
	t.Helper()
	s, server := unfilled(t, set)
	s.fill(t, "stream orders", events...)
	return s, server
}

func unfilled(t *testing.T, set func(*Options)) (*sink, *httptest.Server) {
	t.Helper()
	return newSink(t, func(o *Options) {
		o.History.FromSource = options.Duration(10 * time.Minute)
		if set != nil {
			set(o)
		}
		o.Check(func(option, text string) { t.Errorf("%s: %s", option, text) })
	}, httptest.NewServer)
}

func (s *sink) fill(t *testing.T, id string, events ...*event.Event) {
	t.Helper()
	err := s.FillHistory(t.Context(), id, func(take func([]*event.Event) error) error {
		for part := range slices.Chunk(events, 100) {
			if err := take(part); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// data returns the payloads of events for which is returns true.
func data(events []*event.Event, is func(n int) bool) (out []string) {
	for _, e := range events {
		if is(int(e.Position.Major)) {
			out = append(out, string(e.Data))
		}
	}
	return out
}

// TestResumeAtAnotherGateway: a client resumes at another gateway, which has filled its history from the stream. It gets each
// message once, for each kind of subscription. The gateways begin their histories at different entries.
func TestResumeAtAnotherGateway(t *testing.T) {
	for name, c := range map[string]struct {
		query url.Values
		is    func(n int) bool
	}{
		"all":     {nil, func(int) bool { return true }},
		"filter":  {url.Values{"filter": {`status == "new"`}}, func(n int) bool { return n%3 != 1 }},
		"indexed": {url.Values{"filter": {`n == 277`}}, func(n int) bool { return n == 277 }},
		"channel": {url.Values{"channel": {"orders"}}, func(n int) bool { return n%2 == 0 }},
		"none":    {url.Values{"filter": {`n == -1`}}, func(int) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			s, server := fromStream(t, nil, entriesAt(1, 50)...)
			f := dialProtocol(t, server, c.query)
			s.send(t, entriesAt(50, 200)...)
			want := data(entriesAt(50, 200), c.is)
			if len(want) > 0 {
				f.until(want[len(want)-1])
			}
			for round := 1; round <= 3; round++ {
				f.conn.Close()
				end := 200 + 100*round
				s, server = fromStream(t, nil, entriesAt(10*round, end-50)...)
				s.send(t, entriesAt(end-60, end-20)...) // the first ten come again
				f.server = server
				f.connect()
				f.wantRecovered(true)
				s.send(t, entriesAt(end-20, end)...)
				want = append(want, data(entriesAt(end-100, end), c.is)...)
				if len(want) > 0 {
					f.until(want[len(want)-1])
				}
			}
			if !slices.Equal(f.got, want) {
				t.Errorf("got %d messages, want %d", len(f.got), len(want))
			}
		})
	}
}

// TestNotRecoveredAtAnotherGateway: a position that this gateway cannot know is not recovered.
func TestNotRecoveredAtAnotherGateway(t *testing.T) {
	other := func(events []*event.Event) []*event.Event { // entries of another stream have other IDs
		for _, e := range events {
			e.Position.Minor = 7
		}
		return events
	}
	all := entriesAt(1, 300)
	for name, c := range map[string]struct {
		id     string
		set    func(*Options)
		events []*event.Event
		change func(f *protocolClient)
	}{
		"recovered":            {"stream orders", nil, all, nil},
		"another stream":       {"stream items", nil, all, nil},
		"made anew":            {"stream orders", nil, other(entriesAt(1, 300)), nil},
		"emptied":              {"stream orders", nil, nil, nil},
		"trimmed":              {"stream orders", nil, entriesAt(101, 300), nil},
		"other channels":       {"stream orders", func(o *Options) { o.Channels = []expr.Template{expr.MustTemplate("x")} }, all, nil},
		"the history is short": {"stream orders", func(o *Options) { o.History.Events, o.History.Bytes = 10, 1 }, entriesAt(1, 3000), nil},
		"a number":             {"stream orders", nil, all, func(f *protocolClient) { f.offset = "17" }},
		"an odd text":          {"stream orders", nil, all, func(f *protocolClient) { f.offset = "99-0.0" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, first := fromStream(t, nil, entriesAt(1, 100)...)
			f := dialProtocol(t, first, url.Values{"filter": {"n > 0"}})
			f.conn.Close()
			if c.change != nil {
				c.change(f)
			}
			s, server := unfilled(t, c.set)
			s.fill(t, c.id, c.events...)
			f.server = server
			f.connect()
			f.wantRecovered(name == "recovered")
		})
	}
}

// TestResumeAheadOfTheGateway: a client that comes from a faster gateway waits until its messages were read here, and gets none
// twice. After some time it gets recovered: false.
func TestResumeAheadOfTheGateway(t *testing.T) {
	fast, server := fromStream(t, nil, entriesAt(1, 100)...)
	f := dialProtocol(t, server, url.Values{"filter": {"n > 0"}})
	fast.send(t, entriesAt(100, 200)...)
	want := data(entriesAt(100, 200), func(int) bool { return true })
	f.until(want[99])
	f.conn.Close()
	slow, server := fromStream(t, nil, entriesAt(1, 50)...)
	f.server = server
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		f.connect()
	}()
	for n := 50; n < 210; n += 10 {
		select {
		case <-joined:
			if n < 200 {
				t.Errorf("joined when entries up to %d were read", n)
			}
		case <-time.After(2 * time.Millisecond):
		}
		slow.send(t, entriesAt(n, n+10)...)
	}
	<-joined
	f.wantRecovered(true)
	all := append(want, data(entriesAt(200, 210), func(int) bool { return true })...)
	if got := f.until(all[len(all)-1]); !slices.Equal(got, all) {
		t.Errorf("got %d messages, want %d", len(got), len(all))
	}
	f.conn.Close()
	_, f.server = fromStream(t, nil, entriesAt(1, 205)...)
	begin := time.Now()
	f.connect()
	f.wantRecovered(false)
	if waited := time.Since(begin); waited < aheadTimeout {
		t.Errorf("it has waited for %v", waited)
	}
}

// TestRedeliveredEntriesAreNotRepeated: entries that come again are in the log once, also when a transform makes several events of
// each, and when a redelivery begins within an entry.
func TestRedeliveredEntriesAreNotRepeated(t *testing.T) {
	s, server := fromStream(t, nil, entryAt(1, 0), entryAt(1, 1), entryAt(2, 0))
	f := dialProtocol(t, server, nil)
	s.send(t, entryAt(1, 0), entryAt(1, 1), entryAt(2, 0), entryAt(2, 1))
	s.send(t, entryAt(2, 0), entryAt(2, 1), entryAt(2, 2), entryAt(3, 0))
	s.send(t, entryAt(1, 1), entryAt(3, 0), entryAt(4, 0))
	want := []string{string(entryAt(2, 1).Data), string(entryAt(2, 2).Data), string(entryAt(3, 0).Data), string(entryAt(4, 0).Data)}
	if got := f.until(want[3]); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if n := testutil.ToFloat64(s.metrics.repeated); n != 7 {
		t.Errorf("%v events are counted as repeated", n)
	}
}

// TestLateEventIsAGap: an event that comes after later ones is sent, with a gap, and clients do not resume from before.
func TestLateEventIsAGap(t *testing.T) {
	s, server := fromStream(t, nil, entryAt(1, 0))
	f := dialProtocol(t, server, nil)
	before := dialProtocol(t, server, nil)
	before.conn.Close()
	s.send(t, entryAt(2, 0), entryAt(4, 0))
	s.send(t, entryAt(3, 0), entryAt(3, 0), entryAt(5, 0))
	got := f.until(string(entryAt(5, 0).Data))
	if !slices.Contains(got, string(entryAt(3, 0).Data)) {
		t.Errorf("the late event is lost: %v", got)
	}
	before.connect()
	before.wantRecovered(false)
	for !slices.Contains(f.got, "gap") {
		f.read()
	}
	f.conn.Close()
	s.send(t, entryAt(6, 0))
	f.connect()
	f.wantRecovered(true)
	f.until(string(entryAt(6, 0).Data))
}

// TestClientsWaitForTheHistory: clients join when the history is there, or when live events begin without it.
func TestClientsWaitForTheHistory(t *testing.T) {
	s, server := unfilled(t, nil)
	joined := make(chan *protocolClient)
	go func() { joined <- dialProtocol(t, server, nil) }()
	broken := errors.New("broken")
	if err := s.FillHistory(t.Context(), "x", func(take func([]*event.Event) error) error { take(entriesAt(1, 10)); return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	select {
	case <-joined:
		t.Error("a client has joined before the history is there")
	case <-time.After(50 * time.Millisecond):
	}
	if err := s.Gap(context.Background(), plugin.Gap{Reason: "no history"}); err != nil {
		t.Error(err)
	}
	f := <-joined
	s.send(t, entryAt(10, 0))
	f.until(string(entryAt(10, 0).Data))
}

// TestEventIDAtAnotherGateway: an EventSource goes on at another gateway.
func TestEventIDAtAnotherGateway(t *testing.T) {
	s, server := fromStream(t, nil, entriesAt(1, 100)...)
	get := func(server *httptest.Server, id string, until string) (text string) {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/", nil)
		r.Header.Set("Accept", "text/event-stream")
		if id != "" {
			r.Header.Set("Last-Event-ID", id)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for b := make([]byte, 1<<16); !strings.Contains(text, until); {
			n, err := resp.Body.Read(b)
			if text += string(b[:n]); err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
		return text
	}
	text := get(server, "", "subscribed")
	id, _, _ := strings.Cut(text[strings.Index(text, "id: ")+4:], "\n")
	_ = s
	other, server := fromStream(t, nil, entriesAt(50, 200)...)
	other.send(t, entryAt(200, 0))
	text = get(server, id, `"n":200`)
	if n := strings.Count(text, `data: {"n":`); n != 101 || !strings.Contains(text, `"recovered":true`) {
		t.Errorf("%d events behind %s: %.300s", n, id, text)
	}
}
