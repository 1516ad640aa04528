package redisstream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// withholder acks all events except some, which it acks when it is released.
type withholder struct {
	stays   map[string]bool
	release chan struct{}
}

func newWithholder(payloads ...string) *withholder {
	h := &withholder{stays: map[string]bool{}, release: make(chan struct{})}
	for _, p := range payloads {
		h.stays[p] = true
	}
	return h
}

func (h *withholder) settle(b event.Batch) func() error {
	if !h.stays[string(b.Events[0].Data)] {
		return func() error { return nil }
	}
	return func() error { <-h.release; return nil }
}

// fill appends n payloads: numbers, beginning with from.
func fill(t *testing.T, stream string, from, n int) {
	t.Helper()
	client := testenv.RedisClient(t)
	for begin := 0; begin < n; begin += 1000 {
		_, err := client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			for _, p := range numbers(from+begin, min(1000, n-begin)) {
				pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: []string{"data", p, "key", p}})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (r *running) set(n int) map[string]int {
	r.t.Helper()
	got := map[string]int{}
	for range n {
		got[string(r.next().Data)]++
	}
	return got
}

// TestUndeliverableEvent proves that an event which is never acked does not block others, and that
// acked events do not come again after a kill.
func TestUndeliverableEvent(t *testing.T) {
	const entries = 50_000
	for name, set := range map[string]func(*Options){
		"name":  func(o *Options) { o.Stream, o.From, o.Name = "s", "start", "n" },
		"group": func(o *Options) { o.Stream, o.From, o.Group, o.Consumer = "s", "start", "g", "c" },
	} {
		t.Run(name, func(t *testing.T) {
			flushRedis(t)
			client := testenv.RedisClient(t)
			fill(t, "s", 0, 10)
			h := newWithholder("3", "5", "6")
			r := start(t, set, h.settle)
			fill(t, "s", 10, entries-10)
			if got := r.set(entries); len(got) != entries {
				t.Fatalf("%d different events", len(got))
			}
			changed := func(want int) func() bool {
				return func() bool {
					if name == "group" {
						p := client.XPending(t.Context(), "s", "g").Val()
						return p != nil && p.Count == int64(max(want, 0))
					}
					spans, err := parseSpans(client.HGet(t.Context(), "{s}:position:n", "settled").Val())
					number, _ := client.HGet(t.Context(), "{s}:position:n", "number").Int()
					if err != nil {
						t.Fatal(err)
					}
					for _, s := range spans {
						number += int(s.Last.number - s.First.number + 1)
					}
					return number == entries-want
				}
			}
			testenv.Eventually(t, testenv.Wait, "all others are stored", changed(3))
			r.source.previous = nil // killed: nothing is stored at the end
			r.stop()
			close(h.release)
			if n := len(r.got); n > 0 {
				t.Errorf("%d came again", n)
			}

			h = newWithholder("5")
			r = start(t, set, h.settle)
			fill(t, "s", entries, 1)
			r.want("3", "5", "6", fmt.Sprint(entries))
			close(h.release)
			testenv.Eventually(t, testenv.Wait, "everything is stored", func() bool { return changed(-1)() })
			r.stop()
			if n := len(r.got); n > 0 {
				t.Errorf("%d came again", n)
			}
			if n := len(r.gaps); n > 0 {
				t.Errorf("a gap: %s", <-r.gaps)
			}
		})
	}
}

// TestTrimmedBeforeDelivery proves that an entry which was read, and trimmed before it was delivered,
// is a gap.
func TestTrimmedBeforeDelivery(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	set := func(o *Options) { o.Stream, o.From, o.Name = "s", "start", "n" }
	h := newWithholder("1", "3")
	r := start(t, set, h.settle)
	fill(t, "s", 0, 10)
	r.set(10)
	testenv.Eventually(t, testenv.Wait, "all others are stored", func() bool {
		spans, _ := parseSpans(client.HGet(t.Context(), "{s}:position:n", "settled").Val())
		return len(spans) == 2 && spans[1].Last.number == 10
	})
	r.source.previous = nil
	r.stop()
	close(h.release)
	if err := client.XTrimMaxLen(t.Context(), "s", 8).Err(); err != nil { // 0 and 1 are gone
		t.Fatal(err)
	}
	if found := newSource(t, set).probeName(t.Context(), client, "{s}:position:n"); len(found) != 0 {
		t.Errorf("check warns at once: %+v", found)
	}
	r = start(t, set, nil)
	fill(t, "s", 10, 1)
	r.want("3", "10")
	if g := r.gap(); g != "1 entries were trimmed or deleted before they were delivered" {
		t.Error(g)
	}
}

// TestInFlightBound proves that the source stalls at in_flight events, until one is settled.
func TestInFlightBound(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"name":  func(o *Options) { o.Name = "n" },
		"group": func(o *Options) { o.Group, o.Consumer = "g", "c" },
	} {
		t.Run(name, func(t *testing.T) {
			flushRedis(t)
			h := newWithholder(numbers(0, 100)...)
			fill(t, "s", 0, 1000)
			r := startStalling(t, func(o *Options) { o.Stream, o.From, o.InFlight = "s", "start", 100; set(o) }, h.settle)
			if reason := <-r.stalled; !strings.Contains(reason, "events are in flight") {
				t.Errorf("stalled: %s", reason)
			}
			close(h.release)
			for reason := "?"; reason != ""; {
				reason = <-r.stalled
			}
			if got := r.set(1000); len(got) != 1000 {
				t.Errorf("%d events", len(got))
			}
		})
	}
}

func startStalling(t *testing.T, set func(*Options), settle func(event.Batch) func() error) *running {
	s := newSource(t, set)
	s.stallAfter = 200 * time.Millisecond
	return startSource(t, s, settle)
}

// TestProbeWarnsOfUndeliveredEntry proves that the probe warns of an entry that is not delivered.
func TestProbeWarnsOfUndeliveredEntry(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	for _, id := range []string{"1-0", "2-0", "3-0"} {
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", ID: id, Values: []string{"data", id, "key", id}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	h := newWithholder("2-0")
	set := func(o *Options) { o.Stream, o.From, o.Name = "s", "start", "n" }
	r := start(t, set, h.settle)
	r.set(3)
	testenv.Eventually(t, testenv.Wait, "it is stored", func() bool {
		return fmt.Sprint(client.HMGet(t.Context(), "{s}:position:n", "id", "settled").Val()) == "[1-0 3-0 3-0 3 3,]"
	})
	found := fmt.Sprint(newSource(t, set).Probe(t.Context()))
	if !strings.Contains(found, "the entry 2-0 is ") || !strings.Contains(found, "at in_flight (10000) the source stalls") {
		t.Error(found)
	}
	close(h.release)
}
