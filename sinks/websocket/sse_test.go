package websocket

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// eventSource reads server-sent events.
type eventSource struct {
	t    *testing.T
	in   *bufio.Scanner
	last string // id
	stop func() error
}

func listen(t *testing.T, server *httptest.Server, query, last string) *eventSource {
	t.Helper()
	req, err := http.NewRequestWithContext(testenv.Context(t), "GET", server.URL+"/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if (resp.ProtoMajor == 2) != server.EnableHTTP2 {
		t.Errorf("the protocol is %s", resp.Proto)
	}
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%s, %v", resp.Status, resp.Header)
	}
	return &eventSource{t: t, in: bufio.NewScanner(resp.Body), stop: resp.Body.Close}
}

// next returns the type and the data of the next event. An event without data only sets the id.
func (s *eventSource) next() (kind, data string) {
	s.t.Helper()
	var lines []string
	for s.in.Scan() {
		line := s.in.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && lines != nil:
			return kind, strings.Join(lines, "\n")
		case line == "" || strings.HasPrefix(line, ":"):
		case name == "id":
			s.last = value
		case name == "event":
			kind = value
		case name == "data":
			lines = append(lines, value)
		default:
			s.t.Fatalf("line %q", line)
		}
	}
	s.t.Fatalf("the stream has ended: %v", s.in.Err())
	return "", ""
}

func (s *eventSource) want(kind, data string) {
	s.t.Helper()
	if k, d := s.next(); k != kind || !strings.HasPrefix(d, data) {
		s.t.Fatalf("got %q %q, want %q %q", k, d, kind, data)
	}
}

// TestServerSentEvents proves that server-sent events bring the same messages, with ids to resume from, by HTTP/1.1 and
// by HTTP/2.
func TestServerSentEvents(t *testing.T) {
	t.Run("HTTP/1.1", func(t *testing.T) { testServerSentEvents(t, httptest.NewServer) })
	t.Run("HTTP/2", func(t *testing.T) { testServerSentEvents(t, newHTTP2Server) })
}

func testServerSentEvents(t *testing.T, serve func(http.Handler) *httptest.Server) {
	s, server := newSink(t, func(o *Options) {
		o.Welcome = options.Map[string]{{Key: "type", Value: "welcome"}}
		o.Ping = options.Duration(100 * time.Millisecond)
	}, serve)
	for _, query := range []string{"", "filter=n>=0"} {
		in := listen(t, server, query, "")
		in.want("control", `{"type":"welcome"}`)
		in.want("control", `{"type":"subscribed","epoch":"`)
		s.send(t, orders(0, 1)...)
		in.want("", `{"n":0,"status":"new"}`)
		in.stop()
		s.send(t, orders(1, 2000)...)
		in = listen(t, server, query, in.last)
		in.want("control", `{"type":"welcome"}`)
		if _, d := in.next(); !strings.HasSuffix(d, `"recovered":true}`) {
			t.Errorf("%s", d)
		}
		for i := range 2000 {
			in.want("", fmt.Sprintf(`{"n":%d,`, i+1))
		}
		s.Gap(t.Context(), plugin.Gap{Reason: "x"})
		in.want("control", `{"type":"gap","reason":"x"}`)
		s.write(t, "two\nlines", "\xff", "end")
		if query == "" {
			in.want("", "two\nlines")
			in.want("binary", "ff")
			in.want("", "end")
		}
		in.stop()
	}
	awaitClients(t, s, 0)
	in := listen(t, server, "", "ELSEWHERE-7-0")
	in.next()
	if _, d := in.next(); !strings.HasSuffix(d, `"recovered":false}`) {
		t.Errorf("%s", d)
	}
	if err := s.Close(testenv.Context(t)); err != nil {
		t.Error(err)
	}
	in.want("control", `{"code":1012,"reason":"the gateway is stopping","type":"close"}`)
	if in.in.Scan() || in.in.Err() != nil {
		t.Errorf("the stream does not end well: %v", in.in.Err())
	}
	for header, status := range map[string]int{"Origin: https://evil.example": 403, "Last-Event-ID: x": 400} {
		_, server := newSink(t, nil, serve)
		req, _ := http.NewRequest("GET", server.URL, nil)
		req.Header.Set("Accept", "text/event-stream")
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
		resp, err := server.Client().Do(req)
		if err != nil || resp.StatusCode != status {
			t.Errorf("%s: %v, %v", header, resp, err)
		} else {
			resp.Body.Close()
		}
	}
}

// TestPayloadForgesNoServerSentEvent: a payload makes no additional server-sent event, and no position.
func TestPayloadForgesNoServerSentEvent(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	in := listen(t, server, "filter=true", "")
	in.next()
	place := in.last
	s.write(t, "hello\r\revent: control\rdata: x\rid: E-0-0\r", `{"type":"position","offset":7,"lat":1}`, `{"type":"position","offset":7}`)
	in.want("", "hello\n\nevent: control\ndata: x\nid: E-0-0")
	in.want("", `{"type":"position","offset":7,"lat":1}`)
	in.want("", `{"type":"position","offset":7}`)
	if in.last[:len(in.last)-1] != place[:len(place)-1] {
		t.Errorf("the id changed from %s to %s", place, in.last)
	}
	if place == "" {
		t.Error("there is no id before the first event")
	}
}

// TestServerSentEventsForbidSniffing: the response forbids browsers to guess another content type.
func TestServerSentEventsForbidSniffing(t *testing.T) {
	_, server := newSink(t, nil, httptest.NewServer)
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the headers are %v", resp.Header)
	}
}
