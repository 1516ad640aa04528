package router

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// holding is a queue in which the first n of events that are put wait a day for their next
// attempt.
func holding(t *testing.T, n int, set func(*Delivery), keys ...string) *queue {
	t.Helper()
	d := DefaultDelivery()
	set(&d)
	q := newQueue(d)
	for _, key := range keys {
		put(t, q, key, key+"1")
	}
	items, _, _ := q.take(t.Context(), nil, n)
	for i := range items {
		items[i].trial = &trial{attempts: 1, due: time.Now().Add(24 * time.Hour)}
	}
	q.hold(items)
	return q
}

func put(t *testing.T, q *queue, key, id string) {
	t.Helper()
	if _, err := q.put(t.Context(), []*event.Event{{ID: id, Key: key}}, nil); err != nil {
		t.Fatal(err)
	}
}

// waiting is what is in a queue: what was tried, then the rest.
func waiting(q *queue) (ids []string) {
	items, _, _ := q.handOver()
	for _, it := range items {
		ids = append(ids, it.ev.ID)
	}
	return ids
}

// TestGapBehindThoseThatWait: all before a gap wait for their key; the gap, and what is
// behind it, does not wait with them.
func TestGapBehindThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := holding(t, 1, func(*Delivery) {}, "a")
		begin := time.Now()
		put(t, q, "a", "a2")
		q.gap(plugin.Gap{Source: "x"})
		put(t, q, "b", "b1")
		<-q.taker // a worker that has slept takes this
		if _, gap, ok := q.take(t.Context(), nil, 1); gap == nil || !ok {
			t.Errorf("no gap, after %v", time.Since(begin))
		}
		if items, _, _ := q.take(t.Context(), nil, 1); len(items) != 1 || items[0].ev.ID != "b1" || time.Since(begin) > 0 {
			t.Errorf("%v after %v", items, time.Since(begin))
		}
	})
}

// TestStopDeliversBehindAGap, through a whole router.
func TestStopDeliversBehindAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &notes[string]{}
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			emit := func(key, text string) {
				_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: key, Data: []byte(text)}}})
			}
			emit("a", "a1")
			time.Sleep(1500 * time.Millisecond)
			emit("busy", "busy")
			time.Sleep(100 * time.Millisecond) // it is being written
			emit("a", "a2")
			out.Gap("connection lost")
			emit("b", "b1")
			<-ctx.Done()
			return nil
		})
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", source)},
			Sinks: []SinkSpec{sinkSpec("out", eventsFail(got, func(text string) error {
				time.Sleep(time.Second)
				if text == "a1" {
					return errSink
				}
				return nil
			}), func(d *Delivery) { d.Queue.Batch, d.Retry.Schedule = 1, []options.Duration{seconds(3600)} })},
			Routes: routeTo("out"),
		})
		time.Sleep(1700 * time.Millisecond)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if !slices.Contains(got.all(), "b1") {
			t.Errorf("delivered %v", got.all())
		}
	})
}

// TestFullQueueOfTriedEvents: the oldest make room, which are those that were tried, and
// with latest_per_key those that a newer one of their key has overtaken.
func TestFullQueueOfTriedEvents(t *testing.T) {
	for _, policy := range []string{WhenFullDropOldest, WhenFullLatestPerKey, WhenFullBlock} {
		q := holding(t, 100, func(d *Delivery) {
			d.Queue.Size, d.Queue.WhenFull, d.Queue.MaxBlock = 100, policy, 0
		}, slices.Collect(func(yield func(string) bool) {
			for i := range 100 {
				yield(fmt.Sprint("bad", i, "-"))
			}
		})...)
		for i := range 50 {
			put(t, q, fmt.Sprint("good", i), "good")
		}
		if c := q.snapshot(); c.Retrying != 50 || c.Queued != 100 {
			t.Errorf("%s: %+v", policy, c)
		}
	}
	latest := func(d *Delivery) { d.Queue.Size, d.Queue.WhenFull = 3, WhenFullLatestPerKey }
	q := holding(t, 1, latest, "a", "b")
	for _, key := range []string{"a", "z"} {
		put(t, q, key, key+"2")
		q.mu.Lock()
		q.pass(q.tail-1, false) // as a worker does that looks at it
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
		q := holding(t, 1, func(d *Delivery) { d.Queue.Size, d.Queue.WhenFull = 100, policy }, "")
		for range 100_000 {
			put(t, q, "", "x")
			q.mu.Lock()
			q.pick(nil, 1)
			q.mu.Unlock()
		}
		if ln := q.lines.named[""]; ln != nil && len(ln.behind) > 500 || len(q.latest.lines) > 500 {
			t.Errorf("%s: %d places", policy, len(ln.behind))
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
		q := holding(t, 60, func(d *Delivery) { d.Queue.Size = 100 }, keys...)
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
				items, _, _ := q.take(t.Context(), nil, 10)
				q.settle(items, delivered)
				taken += len(items)
			}
			<-done
		}
		if c := q.snapshot(); c.Dropped["max_block"] != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestEachHasItsTime: of two events of a key that have failed together, the later one may
// have to wait longer.
func TestEachHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(DefaultDelivery())
		put(t, q, "", "1")
		put(t, q, "", "2")
		items, _, _ := q.take(t.Context(), nil, 2)
		for i, pause := range []time.Duration{time.Second, time.Hour} {
			items[i].trial = &trial{attempts: 1, due: time.Now().Add(pause)}
		}
		q.hold(items)
		for _, want := range []time.Duration{time.Second, time.Hour} {
			items, _, _ := q.take(t.Context(), nil, 2)
			if left := time.Until(items[0].trial.due); len(items) != 1 || left > 0 {
				t.Errorf("%d were taken, %v before the time of %v", len(items), left, want)
			}
			q.settle(items, delivered)
		}
	})
}

// TestClockThatWasAhead: no pause is longer than the schedule says.
func TestClockThatWasAhead(t *testing.T) {
	r := Retry{Schedule: []options.Duration{seconds(5)}}
	tr := r.recall(&event.Event{Tried: &event.Tried{Attempts: 1, Last: time.Now().Add(365 * 24 * time.Hour)}})
	if d := time.Until(tr.due); d > 6*time.Second {
		t.Errorf("it waits for %v", d)
	}
}

// TestNumberedAnew: closing the holes that those make which pass leaves the policy what it is.
func TestNumberedAnew(t *testing.T) {
	q := holding(t, 1, func(d *Delivery) { d.Queue.Size, d.Queue.WhenFull = 100, WhenFullDropOldest }, "a")
	put(t, q, "a", "a2") // stays in the ring
	for i := range 200 {
		put(t, q, fmt.Sprint("k", i), "x")
		items, _, _ := q.take(t.Context(), nil, 10)
		q.settle(items, delivered)
	}
	q.mu.Lock()
	q.drop(q.oldest()) // a1
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
	q := holding(t, 1, func(d *Delivery) { d.Queue.Size, d.Queue.WhenFull, d.Workers = 3, WhenFullLatestPerKey, 2 }, "b")
	put(t, q, "a", "a1")
	one, _, _ := q.take(t.Context(), nil, 1)
	put(t, q, "a", "a2")
	q.mu.Lock()
	if other, _ := q.pick(nil, 1); len(other) > 0 {
		t.Fatal(other)
	}
	q.mu.Unlock()
	one[0].trial = &trial{attempts: 1, due: time.Now().Add(48 * time.Hour)}
	q.hold(one)
	put(t, q, "z", "z1")
	if ids := waiting(q); !slices.Equal(ids, []string{"b1", "a2", "z1"}) {
		t.Errorf("%v wait", ids)
	}
}
