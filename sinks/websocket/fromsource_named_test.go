package websocket

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"
)

// TestNamedSubscriptionsAtAnotherGateway: a client resumes several subscriptions at other gateways, each from a position of its
// own. It gets each message once, also of a subscription that has changed its filter, and of one without messages.
func TestNamedSubscriptionsAtAnotherGateway(t *testing.T) {
	kinds := map[string]struct {
		members string
		is      func(n int) bool
	}{
		"all":     {"", func(int) bool { return true }},
		"filter":  {`,"filter":"status == \"new\""`, func(n int) bool { return n%3 != 1 }},
		"channel": {`,"channels":["orders"]`, func(n int) bool { return n%2 == 0 }},
		"none":    {`,"filter":"n == -1"`, func(int) bool { return false }},
		"moved":   {`,"filter":"n % 5 == 0"`, func(n int) bool { return n%5 == 0 }},
	}
	s, server := fromStream(t, compressed, entriesAt(1, 50)...)
	f := dialNamed(t, server, url.Values{"subscribe": {"none"}})
	f.subscribe("moved", `,"filter":"n < 0"`)
	for id, kind := range kinds {
		f.subscribe(id, kind.members)
	}
	s.send(t, entriesAt(50, 200)...)
	want := map[string][]string{}
	check := func(from, to int) {
		for id, kind := range kinds {
			if want[id] = append(want[id], data(entriesAt(from, to), kind.is)...); len(want[id]) > 0 {
				f.until(id, want[id][len(want[id])-1])
			}
		}
		f.pong()
		for id := range kinds {
			if got := f.subs[id].got; !slices.Equal(got, want[id]) {
				t.Errorf("%s got %d messages, want %d", id, len(got), len(want[id]))
			}
		}
	}
	check(50, 200)
	for round := 1; round <= 3; round++ {
		f.conn.Close()
		end := 200 + 100*round
		var behind []int // the gateway is behind the client at first, then ahead
		for n := end - 110; n < end-20; n += 10 {
			behind = append(behind, n)
		}
		s, server = fromStream(t, compressed, entriesAt(10*round, end-110)...)
		f.conn, f.run = dialNamed(t, server, url.Values{"subscribe": {"none"}}).conn, ""
		written := make(chan struct{})
		go func() {
			defer close(written)
			for _, n := range behind {
				s.send(t, entriesAt(n, n+10)...)
				time.Sleep(time.Millisecond)
			}
		}()
		for id, kind := range kinds {
			f.subs[id].active, f.subs[id].recovered = false, nil
			f.subscribe(id, kind.members)
			if r := f.subs[id].recovered; r == nil || !*r {
				t.Fatal(fmt.Sprint("not recovered: ", id, " in round ", round))
			}
		}
		<-written
		s.send(t, entriesAt(end-20, end)...)
		check(end-100, end)
	}
}
