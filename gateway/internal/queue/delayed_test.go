package queue

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// holding is a queue in which the first n of events that are put wait a day for their next
// attempt.
func holding(t *testing.T, n int, set func(*Config), keys ...string) *Queue {
	t.Helper()
	d := testConfig()
	set(&d)
	q := New(d)
	for _, key := range keys {
		put(t, q, key, key+"1")
	}
	items, _, _ := q.Take(t.Context(), nil, n)
	for i := range items {
		items[i].Retry = &Retry{Attempts: 1, Due: time.Now().Add(24 * time.Hour)}
	}
	q.Delay(items)
	return q
}

func put(t *testing.T, q *Queue, key, id string) {
	t.Helper()
	if err := q.Put(t.Context(), []*event.Event{{ID: id, Key: key}}, nil); err != nil {
		t.Fatal(err)
	}
}

// waiting returns the IDs of all that waits: the delayed events, then the ring.
func waiting(q *Queue) (ids []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range q.removeDelayed() {
		ids = append(ids, it.Event.ID)
	}
	for q.inRing > 0 {
		ids = append(ids, q.pop().Event.ID)
	}
	return ids
}

// TestGapBehindThoseThatWait: all before a gap wait for their key; the gap, and what is
// behind it, does not wait with them.
func TestGapBehindThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := holding(t, 1, func(*Config) {}, "a")
		begin := time.Now()
		put(t, q, "a", "a2")
		q.PutGap(plugin.Gap{Source: "x"})
		put(t, q, "b", "b1")
		<-q.ready // a worker that has slept takes this
		if _, gap, ok := q.Take(t.Context(), nil, 1); gap == nil || !ok {
			t.Errorf("no gap, after %v", time.Since(begin))
		}
		if items, _, _ := q.Take(t.Context(), nil, 1); len(items) != 1 || items[0].Event.ID != "b1" || time.Since(begin) > 0 {
			t.Errorf("%v after %v", items, time.Since(begin))
		}
	})
}

// TestFullQueueOfTriedEvents: the oldest make room, which are those that were tried, and
// with latest_per_key those that a newer one of their key has overtaken.
func TestFullQueueOfTriedEvents(t *testing.T) {
	for _, policy := range []string{WhenFullDropOldest, WhenFullLatestPerKey, WhenFullBlock} {
		q := holding(t, 100, func(d *Config) {
			d.Size, d.WhenFull, d.MaxBlock = 100, policy, 0
		}, slices.Collect(func(yield func(string) bool) {
			for i := range 100 {
				yield(fmt.Sprint("bad", i, "-"))
			}
		})...)
		for i := range 50 {
			put(t, q, fmt.Sprint("good", i), "good")
		}
		if c := q.Counts(); c.Retrying != 50 || c.Queued != 100 {
			t.Errorf("%s: %+v", policy, c)
		}
	}
	latest := func(d *Config) { d.Size, d.WhenFull = 3, WhenFullLatestPerKey }
	q := holding(t, 1, latest, "a", "b")
	for _, key := range []string{"a", "z"} {
		put(t, q, key, key+"2")
		q.mu.Lock()
		q.mustWait(q.tail-1, false) // as a worker does that looks at it
		q.mu.Unlock()
	}
	if ids := waiting(q); !slices.Equal(ids, []string{"b1", "a2", "z2"}) {
		t.Errorf("%v wait", ids)
	}
	q = holding(t, 1, latest, "a", "b", "c")
	put(t, q, "a", "a2")
	if ids := waiting(q); !slices.Equal(ids, []string{"b1", "c1", "a2"}) {
		t.Errorf("%v wait", ids)
	}
}

// TestPlacesOfDroppedEventsAreForgotten, however many stand behind one that waits for days.
func TestPlacesOfDroppedEventsAreForgotten(t *testing.T) {
	for _, policy := range []string{WhenFullDropOldest, WhenFullLatestPerKey} {
		q := holding(t, 1, func(d *Config) { d.Size, d.WhenFull = 100, policy }, "")
		for range 100_000 {
			put(t, q, "", "x")
			q.mu.Lock()
			q.pick(nil, 1)
			q.mu.Unlock()
		}
		if ln := q.lanes.byName[""]; ln != nil && len(ln.blocked) > 500 || len(q.latest.lanes) > 500 {
			t.Errorf("%s: %d places", policy, len(ln.blocked))
		}
	}
}

// TestMaxBlockIsGivenBack when all that can be taken was taken, whatever waits for days.
func TestMaxBlockIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := make([]string, 60)
		for i := range keys {
			keys[i] = fmt.Sprint("bad", i, "-")
		}
		q := holding(t, 60, func(d *Config) { d.Size = 100 }, keys...)
		for range 5 {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range 45 {
					put(t, q, fmt.Sprint("good", i), "good")
				}
			}()
			time.Sleep(8 * time.Second) // less than max_block
			for taken := 0; taken < 45; {
				items, _, _ := q.Take(t.Context(), nil, 10)
				q.Complete(items, Delivered)
				taken += len(items)
			}
			<-done
		}
		if c := q.Counts(); c.Dropped["max_block"] != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestEachHasItsTime: of two events of a key that have failed together, the later one may
// have to wait longer.
func TestEachHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(testConfig())
		put(t, q, "", "1")
		put(t, q, "", "2")
		items, _, _ := q.Take(t.Context(), nil, 2)
		for i, pause := range []time.Duration{time.Second, time.Hour} {
			items[i].Retry = &Retry{Attempts: 1, Due: time.Now().Add(pause)}
		}
		q.Delay(items)
		for _, want := range []time.Duration{time.Second, time.Hour} {
			items, _, _ := q.Take(t.Context(), nil, 2)
			if left := time.Until(items[0].Retry.Due); len(items) != 1 || left > 0 {
				t.Errorf("%d were taken, %v before the time of %v", len(items), left, want)
			}
			q.Complete(items, Delivered)
		}
	})
}

// TestNumberedAnew: closing the holes that those make which pass leaves the policy what it is.
func TestNumberedAnew(t *testing.T) {
	q := holding(t, 1, func(d *Config) { d.Size, d.WhenFull = 100, WhenFullDropOldest }, "a")
	put(t, q, "a", "a2") // stays in the ring
	for i := range 200 {
		put(t, q, fmt.Sprint("k", i), "x")
		items, _, _ := q.Take(t.Context(), nil, 10)
		q.Complete(items, Delivered)
	}
	q.mu.Lock()
	q.drop(q.removeOldest()) // a1
	q.mu.Unlock()
	put(t, q, "old", "old1")
	for i := range 98 {
		put(t, q, "b", fmt.Sprint("b", i))
	}
	put(t, q, "z", "z1")
	put(t, q, "z", "z2")
	if ids := waiting(q); slices.Contains(ids, "a2") || slices.Contains(ids, "old1") || ids[0] != "b0" {
		t.Errorf("the oldest are kept: %v", ids[:4])
	}
}

// TestOvertakenInHands: an event that fails after a newer one of its key has come is
// overtaken by it.
func TestOvertakenInHands(t *testing.T) {
	q := holding(t, 1, func(d *Config) { d.Size, d.WhenFull, d.Shared = 3, WhenFullLatestPerKey, true }, "b")
	put(t, q, "a", "a1")
	one, _, _ := q.Take(t.Context(), nil, 1)
	put(t, q, "a", "a2")
	q.mu.Lock()
	if other, _ := q.pick(nil, 1); len(other) > 0 {
		t.Fatal(other)
	}
	q.mu.Unlock()
	one[0].Retry = &Retry{Attempts: 1, Due: time.Now().Add(48 * time.Hour)}
	q.Delay(one)
	put(t, q, "z", "z1")
	if ids := waiting(q); !slices.Equal(ids, []string{"b1", "a2", "z1"}) {
		t.Errorf("%v wait", ids)
	}
}
