package queue

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/options"
)

// TestMaxBlockIsOneBudget: a source is held up for max_block in all, not for
// max_block per event, as long as the queue does not drain.
func TestMaxBlockIsOneBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Config{Options: Options{Size: 2, Bytes: 1 << 20, WhenFull: WhenFullBlock, MaxBlock: options.Duration(10 * time.Second)}})
		begin := time.Now()
		for i := range 10 {
			if err := q.Put(t.Context(), []*event.Event{{Data: fmt.Append(nil, i)}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("10 events into a queue of 2 that nobody drains took %v", took)
		}
		if c := q.Counts(); c.Dropped["max_block"] != 8 || c.Queued != 2 {
			t.Errorf("%+v", c)
		}
		if _, gap, _ := q.Take(t.Context(), nil, 10); gap == nil {
			t.Error("the drop is not reported as a gap")
		}
		items, _, _ := q.Take(t.Context(), nil, 10)
		if len(items) != 2 || string(items[0].Event.Data) != "8" {
			t.Errorf("took %d, the first %s", len(items), items[0].Event.Data)
		}
		// It has drained: the budget is whole again.
		begin = time.Now()
		for i := range 3 {
			if err := q.Put(t.Context(), []*event.Event{{Data: fmt.Append(nil, i)}}, nil); err != nil {
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
		q := New(Config{Options: Options{Size: 1, Bytes: 1 << 20, WhenFull: WhenFullBlock, MaxBlock: options.Duration(time.Hour)}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var told []error
		r := newReceipt(func(err error) { told = append(told, err) })
		r.Add(3)
		r.Done(nil)
		if err := q.Put(ctx, []*event.Event{{}, {}, {}}, r); err != context.DeadlineExceeded {
			t.Errorf("put: %v", err)
		}
		if c := q.Counts(); c.In != 3 || c.Queued != 1 || c.Returned != 2 {
			t.Errorf("%+v", c)
		}
		q.ReturnRest(ack.ErrStopping)
		if len(told) != 1 || told[0] != context.DeadlineExceeded {
			t.Errorf("the receipt was told %v", told)
		}
	})
}

// TestManySourcesShareAFullQueue: nobody is forgotten when room comes.
func TestManySourcesShareAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Config{Options: Options{Size: 2, Bytes: 1 << 20, WhenFull: WhenFullBlock, MaxBlock: options.Duration(time.Hour)}})
		done := make(chan struct{}, 10)
		for range 10 {
			go func() {
				for range 100 {
					if err := q.Put(t.Context(), []*event.Event{{}}, nil); err != nil {
						t.Error(err)
					}
				}
				done <- struct{}{}
			}()
		}
		for n := 0; n < 1000; {
			items, _, _ := q.Take(t.Context(), nil, 3)
			n += len(items)
			q.Complete(items, Delivered)
		}
		for range 10 {
			<-done
		}
		if c := q.Counts(); c.Delivered != 1000 || c.Dropped["max_block"] != 0 {
			t.Errorf("%+v", c)
		}
	})
}
