package router

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// TestQueueAgainstModel drives a queue with random puts, gaps, takes, settles and
// a close, and compares contents, order, counts and receipts with a plain model.
func TestQueueAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := Queue{
			Size: rapid.IntRange(1, 9).Draw(t, "size"), Bytes: options.Size(rapid.IntRange(5, 60).Draw(t, "bytes")),
			WhenFull: rapid.SampledFrom([]string{whenFullBlock, whenFullDropOldest, whenFullDropNewest}).Draw(t, "when_full"),
		}
		q := newQueue(limit)
		var model []string // waiting events and "gap:SOURCE" marks, in order
		bytes, number, closed := 0, 0, false
		settled := map[string]int{} // by event
		var taken []item
		events := func() (n int) {
			for _, m := range model {
				if m[0] != 'g' {
					n++
				}
			}
			return n
		}
		fits := func(size int) bool {
			n := events()
			return !closed && (n == 0 || n < limit.Size && bytes+size <= int(limit.Bytes))
		}
		addGap := func(at int, name string) { // one per place and source
			for i := at - 1; i >= 0 && model[i][0] == 'g'; i-- {
				if model[i] == name {
					return
				}
			}
			for i := at; i < len(model) && model[i][0] == 'g'; i++ {
				if model[i] == name {
					return
				}
				at = i + 1
			}
			model = append(model[:at], append([]string{name}, model[at:]...)...)
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				var batch []*event.Event
				for range rapid.IntRange(1, 4).Draw(t, "n") {
					name := fmt.Sprintf("%d%s", number, "xxxxxxxxxxxxxxxxxxxx"[:rapid.IntRange(0, 20).Draw(t, "len")])
					number++
					batch = append(batch, &event.Event{Data: []byte(name)})
				}
				for _, e := range batch {
					e := e
					// max_block is zero: block means to drop the oldest and to say so.
					name := string(e.Data)
					r := &receipt{settle: func(error) { settled[name]++ }}
					r.pending.Store(1)
					var rec *receipt
					if limit.WhenFull != whenFullBlock {
						rec = r
					}
					if err := q.put(context.Background(), []*event.Event{e}, rec); err != nil {
						t.Fatal(err)
					}
					if !fits(len(name)) && limit.WhenFull != whenFullDropNewest && !closed {
						dropped := false
						for !fits(len(name)) {
							for i, m := range model {
								if m[0] != 'g' {
									bytes -= len(m)
									model = append(model[:i], model[i+1:]...)
									dropped = true
									break
								}
							}
							// marks whose events are gone stand before the head, one per source
							model = compactHead(model)
						}
						if dropped && limit.WhenFull == whenFullBlock {
							n := 0
							for n < len(model) && model[n][0] == 'g' {
								n++
							}
							addGap(n, "g:")
						}
					}
					if fits(len(name)) {
						model = append(model, name)
						bytes += len(name)
					}
				}
			},
			"gap": func(t *rapid.T) {
				name := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "source")
				q.gap(plugin.Gap{Source: name})
				addGap(len(model), "g:"+name)
			},
			"take": func(t *rapid.T) {
				if len(model) == 0 {
					return
				}
				most := rapid.IntRange(1, 5).Draw(t, "most")
				items, gap, ok := q.take(context.Background(), nil, most)
				if !ok {
					t.Fatalf("nothing to take, but the model has %v", model)
				}
				if gap != nil {
					if want := model[0]; want != "g:"+gap.Source {
						t.Fatalf("took gap %q, want %q", gap.Source, want)
					}
					model = model[1:]
					return
				}
				for i, it := range items {
					if model[0] != string(it.ev.Data) {
						t.Fatalf("item %d is %s, want %s", i, it.ev.Data, model[0])
					}
					bytes -= len(model[0])
					model = model[1:]
				}
				if len(items) < most && len(model) > 0 && model[0][0] != 'g' {
					t.Fatalf("took %d of %d although %v waits", len(items), most, model)
				}
				taken = append(taken, items...)
			},
			"settle": func(t *rapid.T) {
				if len(taken) == 0 {
					return
				}
				n := rapid.IntRange(1, len(taken)).Draw(t, "n")
				q.settle(taken[:n], rapid.SampledFrom([]outcome{delivered, deadLettered, returned}).Draw(t, "outcome"), nil)
				taken = taken[n:]
			},
			"close": func(t *rapid.T) {
				if rapid.IntRange(0, 20).Draw(t, "really") == 0 {
					q.close()
					closed = true
				}
			},
			"": func(t *rapid.T) {
				c := q.snapshot()
				if err := (Status{Sinks: []SinkStatus{{QueueCounts: c}}}).Conserved(); err != nil {
					t.Fatal(err)
				}
				if c.Queued != uint64(events()) || c.QueuedBytes != uint64(bytes) || c.Writing != uint64(len(taken)) || c.In != uint64(number) {
					t.Fatalf("counts %+v, but the model has %v, %d bytes, %d taken, %d in", c, model, bytes, len(taken), number)
				}
				for name, n := range settled {
					if n > 1 {
						t.Fatalf("%s was settled %d times", name, n)
					}
				}
			},
		})
		q.settle(taken, delivered, nil)
		q.returnRest(errStopping)
		if limit.WhenFull != whenFullBlock && len(settled) != number {
			t.Fatalf("%d of %d events were settled", len(settled), number)
		}
	})
}

// compactHead keeps one mark per source among those that lead the model.
func compactHead(model []string) []string {
	n := 0
	for n < len(model) && model[n][0] == 'g' {
		n++
	}
	seen, out := map[string]bool{}, []string{}
	for _, m := range model[:n] {
		if !seen[m] {
			seen[m] = true
			out = append(out, m)
		}
	}
	return append(out, model[n:]...)
}

// TestMaxBlockIsOneBudget: a source is held up for max_block in all, not for
// max_block per event, as long as the queue does not drain.
func TestMaxBlockIsOneBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(Queue{Size: 2, Bytes: 1 << 20, WhenFull: whenFullBlock, MaxBlock: options.Duration(10 * time.Second)})
		begin := time.Now()
		for i := range 10 {
			if err := q.put(t.Context(), []*event.Event{{Data: fmt.Append(nil, i)}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("10 events into a queue of 2 that nobody drains took %v", took)
		}
		if c := q.snapshot(); c.Dropped["max_block"] != 8 || c.Queued != 2 {
			t.Errorf("%+v", c)
		}
		if _, gap, _ := q.take(t.Context(), nil, 10); gap == nil {
			t.Error("the drop is not reported as a gap")
		}
		items, _, _ := q.take(t.Context(), nil, 10)
		if len(items) != 2 || string(items[0].ev.Data) != "8" {
			t.Errorf("took %d, the first %s", len(items), items[0].ev.Data)
		}
		// It has drained: the budget is whole again.
		begin = time.Now()
		for i := range 3 {
			if err := q.put(t.Context(), []*event.Event{{Data: fmt.Append(nil, i)}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("after draining it blocks for %v", took)
		}
	})
}

// TestBlockEndsWithContext: what could not be put is counted as returned.
func TestBlockEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(Queue{Size: 1, Bytes: 1 << 20, WhenFull: whenFullBlock, MaxBlock: options.Duration(time.Hour)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var told []error
		r := newReceipt(func(err error) { told = append(told, err) })
		r.add(3)
		r.done(nil)
		if err := q.put(ctx, []*event.Event{{}, {}, {}}, r); err != context.DeadlineExceeded {
			t.Errorf("put: %v", err)
		}
		if c := q.snapshot(); c.In != 3 || c.Queued != 1 || c.Returned != 2 {
			t.Errorf("%+v", c)
		}
		q.returnRest(errStopping)
		if len(told) != 1 || told[0] != context.DeadlineExceeded {
			t.Errorf("the receipt was told %v", told)
		}
	})
}

// TestManySourcesShareAFullQueue: nobody is forgotten when room comes.
func TestManySourcesShareAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(Queue{Size: 2, Bytes: 1 << 20, WhenFull: whenFullBlock, MaxBlock: options.Duration(time.Hour)})
		done := make(chan struct{}, 10)
		for range 10 {
			go func() {
				for range 100 {
					if err := q.put(t.Context(), []*event.Event{{}}, nil); err != nil {
						t.Error(err)
					}
				}
				done <- struct{}{}
			}()
		}
		for n := 0; n < 1000; {
			items, _, _ := q.take(t.Context(), nil, 3)
			n += len(items)
			q.settle(items, delivered, nil)
		}
		for range 10 {
			<-done
		}
		if c := q.snapshot(); c.Delivered != 1000 || c.Dropped["max_block"] != 0 {
			t.Errorf("%+v", c)
		}
	})
}
