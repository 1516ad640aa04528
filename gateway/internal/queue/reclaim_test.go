package queue

import (
	"fmt"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
)

// TestGivenBackWithAllBehindIt: where a source has ended and an event of it is given back, so are the later
// ones of its key, also those that no worker has come to yet; with one that spans keys, all of the source.
func TestGivenBackWithAllBehindIt(t *testing.T) {
	for name, tc := range map[string]struct {
		first event.Event
		want  string
	}{
		"key":     {event.Event{Key: "k"}, "[0 3]"},
		"barrier": {event.Event{Key: "k", Attrs: []event.Attr{{Name: event.AttrBarrier, Value: "t"}}}, "[0 1 3]"},
	} {
		q, ended, other := New(testConfig()), newTracker(), newTracker()
		var back []int
		put := func(of *ack.Tracker, e *event.Event, n int) {
			rec := receiptOf(of, func(err error) {
				if err != nil {
					back = append(back, n)
				}
			})
			if err := q.Put(t.Context(), []*event.Event{e}, rec); err != nil {
				t.Fatal(err)
			}
		}
		put(ended, &tc.first, 0)
		put(ended, &event.Event{Key: "x"}, 1)
		put(other, &event.Event{Key: "k"}, 2)
		put(ended, &event.Event{Key: "k"}, 3)
		taken, _, _ := q.Take(t.Context(), nil, 1)
		taken[0].Retry = &Retry{Attempts: 1, Due: time.Now().Add(time.Hour)}
		q.Delay(taken)
		q.ReclaimLate(ended, time.Now())
		if fmt.Sprint(back) != tc.want {
			t.Errorf("%s: %v are given back, want %s", name, back, tc.want)
		}
		if c := q.Counts(); c.In != c.Returned+c.Queued || c.Queued != uint64(4-len(back)) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
