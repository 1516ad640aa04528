package websocket

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestSlowClientSkipsMessages: a slow client gets a gap message and new messages, with conflate also the latest
// message of each key. It can resume from there.
func TestSlowClientSkipsMessages(t *testing.T) {
	for _, mode := range []string{slowDropOldest, slowConflate} {
		for name, query := range map[string]url.Values{"all": {}, "filter": {"filter": {"n >= 0"}}} {
			t.Run(mode+", "+name, func(t *testing.T) {
				s, server := newSink(t, func(o *Options) {
					o.SlowClient, o.MaxLag.Events = mode, 2000
					o.History.Events, o.History.Bytes = 1_000_000, 1<<30
				}, httptest.NewServer)
				f := dialProtocol(t, server, query)
				padding := strings.Repeat("x", 2000)
				n := 0
				for c := s.listClients()[0]; ; {
					var batch []*event.Event
					for range 500 {
						batch = append(batch, &event.Event{Key: fmt.Sprint(n % 7), Data: fmt.Appendf(nil, `{"n":%d,"p":"%s"}`, n, padding)})
						n++
					}
					s.send(t, batch...)
					s.hub.drainFeeders(t.Context()) // the lag is to be that of the client, not of the filter
					if testutil.ToFloat64(s.metrics.skipped) > 0 {
						break
					}
					if n > 200_000 {
						t.Fatalf("no message is skipped with lags %v", c.appendLags(nil))
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
				if mode == slowConflate { // the latest message of each key has come
					for k := n - 7; k < n; k++ {
						if !slices.Contains(numbers, k) {
							t.Errorf("message %d, the latest of its key, is missing", k)
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

// TestConflationKeepsEventsThatSpanKeys: conflation never replaces a change of a row's key, or TRUNCATE, by a newer message.
func TestConflationKeepsEventsThatSpanKeys(t *testing.T) {
	s, _ := newSink(t, func(o *Options) { o.History.Events = 100 }, httptest.NewServer)
	before := s.hub.history.next
	s.send(t,
		&event.Event{Key: "t:3", Data: []byte("insert")},
		&event.Event{Key: "t:33", Attrs: []event.Attr{{Name: event.AttrKeyBefore, Value: "t:3"}}, Data: []byte("change of key")},
		&event.Event{Key: "t", Attrs: []event.Attr{{Name: event.AttrBarrier, Value: "t"}}, Data: []byte("truncate")},
		&event.Event{Key: "t:33", Data: []byte("update")},
		&event.Event{Key: "t", Attrs: []event.Attr{{Name: event.AttrBarrier, Value: "t"}}, Data: []byte("truncate again")},
		&event.Event{Key: "t:33", Data: []byte("newer")})
	k := conflation{byKey: map[string]conflatedFrame{}}
	for n, text := range []string{"insert ", "change of key ", "truncate ", "update ", "truncate again ", "newer"} {
		key, known := s.hub.history.conflationKey(before + uint64(n))
		if !known {
			t.Fatalf("%s: no key", text)
		}
		k.add(key, []byte(text))
	}
	if got := string(k.frames()); got != "insert change of key truncate truncate again newer" {
		t.Error(got)
	}
}

// TestDisconnectDuringConflationIsNotRecovered: a client that is lost while it gets conflated messages is not recovered when it
// resumes.
func TestDisconnectDuringConflationIsNotRecovered(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.SlowClient = slowConflate }, httptest.NewServer)
	f := dialProtocol(t, server, nil)
	var batch []*event.Event
	for n := range 10 {
		batch = append(batch, &event.Event{Key: fmt.Sprint(n % 3), Data: fmt.Appendf(nil, `{"n":%d}`, n)})
	}
	c := s.listClients()[0]
	s.hub.mu.Lock()
	now := s.hub.now()
	for _, e := range batch { // as hub.write, but without waking the clients
		s.hub.append(&storedEvent{Event: *e}, now)
	}
	s.hub.mu.Unlock()
	if skipped := s.hub.skipToEnd(c.readers[0], true); skipped != 7 {
		t.Errorf("%d messages were skipped, want 7", skipped)
	}
	f.until(`{"n":8}`)
	if want := []string{"gap", `{"n":7}`, `{"n":8}`}; !slices.Equal(f.got, want) {
		t.Errorf("got %v", f.got)
	}
	epoch := f.epoch
	f.conn.Close()
	f.connect()
	if epoch != "none" {
		t.Errorf("during conflation the epoch is %s", epoch)
	}
	f.wantRecovered(false)
	s.Gap(t.Context(), plugin.Gap{Reason: "x"})
}
