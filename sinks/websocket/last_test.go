package websocket

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"eventgateway/gateway/plugin"
)

// TestLastBeginsInHistory: last=N begins behind all events but the latest N, for each kind of subscription, and where the history
// holds fewer. A client that names a position resumes from it, whatever last is. A gap among the messages is reported.
func TestLastBeginsInHistory(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.History.Events = 3000 }, httptest.NewServer)
	payloads := func(from, to int, keep func(int) bool) (out []string) {
		for n := from; n < to; n++ {
			if keep(n) {
				out = append(out, string(order(n, []string{"new", "old"}[n%2]).Data))
			}
		}
		return out
	}
	send := func(from, to int) {
		for n := from; n < to; n++ {
			s.send(t, order(n, []string{"new", "old"}[n%2]))
		}
	}
	every := func(int) bool { return true }
	even := func(n int) bool { return n%2 == 0 }
	for _, c := range []struct {
		name  string
		query url.Values
		keep  func(int) bool
	}{{"all", url.Values{}, every}, {"filter", url.Values{"filter": {`status == "new"`}}, even}} {
		send(0, 21)
		c.query.Set("last", "11")
		f := dialProtocol(t, server, c.query)
		if f.recovered != nil {
			t.Errorf("%s: recovered is %v", c.name, *f.recovered)
		}
		want := payloads(10, 21, c.keep)
		if got := f.until(want[len(want)-1]); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", c.name, got, want)
		}
		f.conn.Close()
		send(21, 31)
		f.connect()
		f.wantRecovered(true)
		want = append(want, payloads(21, 31, c.keep)...)
		if got := f.until(want[len(want)-1]); !slices.Equal(got, want) {
			t.Errorf("%s, resumed: got %v, want %v", c.name, got, want)
		}
		f.conn.Close()
	}
	more := dialProtocol(t, server, url.Values{"last": {"1000000000000"}})
	if got := more.until(string(order(30, "new").Data)); len(got) < 31 || got[0] != string(order(0, "new").Data) {
		t.Errorf("more than there are: %d messages, the first is %s", len(got), got[0])
	}
	if err := s.Gap(t.Context(), plugin.Gap{Reason: "a test"}); err != nil {
		t.Fatal(err)
	}
	send(31, 33)
	for last, told := range map[string]bool{"2": false, "3": true} {
		f := dialProtocol(t, server, url.Values{"last": {last}})
		if (f.recovered != nil) != told || told && *f.recovered {
			t.Errorf("last=%s: recovered is %v", last, f.recovered)
		}
	}
	if _, status := connect(server, "last=x", nil); status != 400 {
		t.Errorf("last=x is answered with %d", status)
	}
}
