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

// holder settles all events but some, until it is released.
type holder struct {
	stays   map[string]bool
	release chan struct{}
}

func newHolder(payloads ...string) *holder {
	h := &holder{stays: map[string]bool{}, release: make(chan struct{})}
	for _, p := range payloads {
		h.stays[p] = true
	}
	return h
}

func (h *holder) settle(b event.Batch) func() error {
	if !h.stays[string(b.Events[0].Data)] {
		return func() error { return nil }
	}
	return func() error { <-h.release; return nil }
}

// fill appends n payloads, numbers from from on.
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

// TestOneThatStays: an event that no sink takes keeps no other from being delivered, and what was
// delivered does not come again after a kill.
func TestOneThatStays(t *testing.T) {
	const entries = 50_000
	for name, set := range map[string]func(*Options){
		"name":  func(o *Options) { o.Stream, o.From, o.Name = "s", "start", "n" },
		"group": func(o *Options) { o.Stream, o.From, o.Group, o.Consumer = "s", "start", "g", "c" },
	} {
		t.Run(name, func(t *testing.T) {
			fresh(t)
			client := testenv.RedisClient(t)
			fill(t, "s", 0, 10)
			h := newHolder("3", "5", "6")
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

			h = newHolder("5")
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

// TestTrimmedWhileItStays: what is gone before it was delivered is a gap, although it was read.
func TestTrimmedWhileItStays(t *testing.T) {
	fresh(t)
	client := testenv.RedisClient(t)
	set := func(o *Options) { o.Stream, o.From, o.Name = "s", "start", "n" }
	h := newHolder("1", "3")
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
	if found := made(t, set).probeName(t.Context(), client, "{s}:position:n"); len(found) != 0 {
		t.Errorf("check warns at once: %+v", found)
	}
	r = start(t, set, nil)
	fill(t, "s", 10, 1)
	r.want("3", "10")
	if g := r.gap(); g != "1 entries were trimmed or deleted before they were delivered" {
		t.Error(g)
	}
}

// TestManyThatStay: as many as in_flight are the bound; then it shows as stalled, until one is
// settled.
func TestManyThatStay(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"name":  func(o *Options) { o.Name = "n" },
		"group": func(o *Options) { o.Group, o.Consumer = "g", "c" },
	} {
		t.Run(name, func(t *testing.T) {
			fresh(t)
			h := newHolder(numbers(0, 100)...)
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
	s := made(t, set)
	s.stallAfter = 200 * time.Millisecond
	return startSource(t, s, settle)
}

// TestCheckNamesWhatStays: gateway check --live warns of an entry that is not delivered.
func TestCheckNamesWhatStays(t *testing.T) {
	fresh(t)
	client := testenv.RedisClient(t)
	for _, id := range []string{"1-0", "2-0", "3-0"} {
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", ID: id, Values: []string{"data", id, "key", id}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	h := newHolder("2-0")
	set := func(o *Options) { o.Stream, o.From, o.Name = "s", "start", "n" }
	r := start(t, set, h.settle)
	r.set(3)
	testenv.Eventually(t, testenv.Wait, "it is stored", func() bool {
		return fmt.Sprint(client.HMGet(t.Context(), "{s}:position:n", "id", "settled").Val()) == "[1-0 3-0 3-0 3 3,]"
	})
	found := fmt.Sprint(made(t, set).Probe(t.Context()))
	if !strings.Contains(found, "the entry 2-0 is ") || !strings.Contains(found, "at in_flight (10000) the source stalls") {
		t.Error(found)
	}
	close(h.release)
}
