package websocket

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
)

// TestSlowClientIsToldWhy: one that is too far behind, and then goes on reading,
// finds whole frames and a close code that says so.
func TestSlowClientIsToldWhy(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.MaxLag.Events = 5000 }, httptest.NewServer)
	slow := dial(t, server, nil)
	awaitClients(t, s, 1)
	c := s.all()[0]
	payload := strings.Repeat("x", 2000)
	batch := slices.Repeat([]string{payload}, 500)
	for sent := 0; !c.sentAway(); sent += len(batch) {
		if sent > 100_000 {
			t.Fatal("it is never disconnected")
		}
		s.write(t, batch...)
	}
	for {
		_, msg, err := slow.ReadMessage()
		if err == nil && string(msg) == payload {
			continue
		}
		if !websocket.IsCloseError(err, closeSlow) || !strings.Contains(err.Error(), "too slow: ") {
			t.Errorf("it ended with %q, %v; want close code 1013 and the reason", msg, err)
		}
		break
	}
	awaitClients(t, s, 0)
}

// TestSentAwayClientKeepsNothing: the log of a client that never reads goes when it
// is sent away, and not only when its connection ends at last.
func TestSentAwayClientKeepsNothing(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.MaxLag.Events, o.History.Events = 100, 0 }, httptest.NewServer)
	dial(t, server, nil)
	awaitClients(t, s, 1)
	c := s.all()[0]
	var at *chunk
	batch := slices.Repeat([]string{strings.Repeat("x", 60_000)}, 10)
	for !c.sentAway() {
		c.mu.Lock()
		at = c.position.at
		c.mu.Unlock()
		s.write(t, batch...)
	}
	gone := make(chan struct{})
	runtime.AddCleanup(at, func(gone chan struct{}) { close(gone) }, gone)
	for {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-c.finished:
			t.Fatal("the log is kept until the connection ends")
		case <-time.After(time.Millisecond): // the cleanup runs soon after the collection
		}
	}
}

func (c *client) sentAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason == "slow"
}

// TestSlowClientSkips: it goes on with new messages, is told, and with conflate gets the
// latest of each key; and can come back from there.
func TestSlowClientSkips(t *testing.T) {
	for _, mode := range []string{slowDropOldest, slowConflate} {
		for name, query := range map[string]url.Values{"all": {}, "filter": {"filter": {"n >= 0"}}} {
			t.Run(mode+", "+name, func(t *testing.T) {
				s, server := newSink(t, func(o *Options) {
					o.SlowClient, o.MaxLag.Events = mode, 2000
					o.History.Events, o.History.Bytes = 1_000_000, 1<<30
				}, httptest.NewServer)
				f := follow(t, server, query)
				padding := strings.Repeat("x", 2000)
				n := 0
				for c := s.all()[0]; ; {
					var batch []*event.Event
					for range 500 {
						batch = append(batch, &event.Event{Key: fmt.Sprint(n % 7), Data: fmt.Appendf(nil, `{"n":%d,"p":"%s"}`, n, padding)})
						n++
					}
					s.send(t, batch...)
					if testutil.ToFloat64(s.metrics.skipped) > 0 {
						break
					}
					if n > 200_000 {
						lag, _ := c.lag()
						t.Fatalf("nothing is skipped, and it is %d behind", lag)
					}
				}
				s.send(t, &event.Event{Key: "end", Data: []byte(`{"n":-1}`)}, &event.Event{Key: "end", Data: []byte(`{"n":1000000000}`)})
				f.until(`{"n":1000000000}`)
				var numbers []int
				gaps := 0
				for _, msg := range f.got {
					var m struct{ N int }
					if msg == "gap" {
						gaps++
					} else if err := json.Unmarshal([]byte(msg), &m); err != nil {
						t.Fatal(err)
					} else {
						numbers = append(numbers, m.N)
					}
				}
				if gaps == 0 || !slices.IsSorted(slices.DeleteFunc(slices.Clone(numbers), func(n int) bool { return n < 0 })) {
					t.Errorf("%d gaps, %d messages", gaps, len(numbers))
				}
				if mode == slowConflate { // the last of each key is there
					for k := n - 7; k < n; k++ {
						if !slices.Contains(numbers, k) {
							t.Errorf("message %d, the last of its key, is missing", k)
						}
					}
				}
				f.conn.Close()
				s.send(t, &event.Event{Data: []byte(`{"n":1000000001}`)})
				f.connect()
				f.wantRecovered(true)
				f.until(`{"n":1000000001}`)
				if last := f.got[len(f.got)-2]; last != `{"n":1000000000}` {
					t.Errorf("between them came %.100s", last)
				}
			})
		}
	}
}
