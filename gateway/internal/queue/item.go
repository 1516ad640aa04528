package queue

import (
	"slices"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
)

// Item is one copy of an event on its way to one sink.
type Item struct {
	Event   *event.Event
	Receipt *ack.Receipt // nil: no source waits for the copy
	Retry   *Retry       // nil before the first failure
	lane    *lane        // while the item is in flight, where later events must wait for it
}

// Retry is what is known of an event whose delivery has failed.
type Retry struct {
	Attempts int       // failed ones
	Due      time.Time // of the next attempt
	Alone    bool      // the next write has no other event, because the sink has panicked
}

// Attempts returns how many attempts of the item have failed.
func (it *Item) Attempts() int {
	if it.Retry == nil {
		return 0
	}
	return it.Retry.Attempts
}

// Overhead is what an event takes in memory beside its payload, in bytes: the
// struct, its place in a queue, and what the allocator rounds up.
const Overhead = 256

func cost(ev *event.Event) int { return len(ev.Data) + Overhead }

// Done settles the receipts of items.
func Done(items []Item, err error) {
	for _, it := range items {
		it.Receipt.Done(err)
	}
}

// AnyRevoked reports whether the leadership of an item is lost.
func AnyRevoked(items []Item) bool {
	return slices.ContainsFunc(items, func(it Item) bool { return it.Receipt.Revoked() })
}

// split returns the items for which is holds, and the others, each in order.
func split(items []Item, is func(Item) bool) (yes, no []Item) {
	for _, it := range items {
		if is(it) {
			yes = append(yes, it)
		} else {
			no = append(no, it)
		}
	}
	return yes, no
}
