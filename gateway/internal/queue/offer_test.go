package queue

import (
	"testing"
	"time"

	"eventgateway/gateway/event"
)

// TestOfferAddsAllOrNone proves that Offer adds events only if there is room for all, drops none, and counts those that it adds.
func TestOfferAddsAllOrNone(t *testing.T) {
	q := New(Config{Options: Options{Size: 3, Bytes: 1 << 20, Batch: 10, WhenFull: WhenFullDropOldest}})
	events := []*event.Event{{ID: "1"}, {ID: "2"}}
	if !q.Offer(events) {
		t.Fatal("two events do not fit into a queue of three")
	}
	if q.Offer(events) {
		t.Error("four events fit into a queue of three")
	}
	if !q.Offer(events[:1]) || q.Offer(events[:1]) {
		t.Error("the third event does not fit, or a fourth one does")
	}
	if c := q.Counts(); c.In != 3 || c.Queued != 3 || c.Dropped[dropReasons[0]] != 0 {
		t.Errorf("%+v", c)
	}
	large := New(Config{Options: Options{Size: 3, Bytes: 300, Batch: 10, WhenFull: WhenFullBlock}})
	if !large.Offer([]*event.Event{{Data: make([]byte, 1000)}}) || large.Offer(events[:1]) {
		t.Error("an event that is larger than the queue must fit into an empty one only")
	}
	closed := New(Config{Options: Options{Size: 3, Bytes: 1 << 20}})
	closed.Close(time.Now())
	if closed.Offer(events) {
		t.Error("a closed queue takes events")
	}
}
