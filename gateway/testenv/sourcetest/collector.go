package sourcetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// Collector is an output that stores each event once, by its ID, and acks batches. Set its functions before a
// source runs.
type Collector struct {
	plugintest.Output
	AckWith   func(first *event.Event) error              // what a batch is acked with; nil: all batches are acked. It is not called twice at a time
	Withhold  func(first *event.Event, withheld int) bool // whether a batch stays in flight, beside a number of others; nil: none
	OnGap     func(reason string)                         // nil: gaps are ignored
	Connected chan struct{}                               // has a value after Ready; its capacity is 1
	Stalled   chan string                                 // reasons of SetStalled
	Arrived   chan struct{}                               // has a value after Emit; its capacity is 1

	mu       sync.Mutex
	events   []*event.Event
	seen     map[string]bool // by ID
	repeated int
	withheld []func(error)
}

// NewCollector returns a collector that acks all batches.
func NewCollector() *Collector {
	return &Collector{Connected: make(chan struct{}, 1), Arrived: make(chan struct{}, 1), seen: map[string]bool{}, Stalled: make(chan string, 1000)}
}

// Gap is part of [plugin.Output].
func (c *Collector) Gap(reason string) {
	if c.OnGap != nil {
		c.OnGap(reason)
	}
}

// Ready is part of [plugin.Output].
func (c *Collector) Ready() { signal(c.Connected) }

// SetStalled is part of [plugin.Output].
func (c *Collector) SetStalled(reason string) { c.Stalled <- reason }

// Emit is part of [plugin.Output].
func (c *Collector) Emit(_ context.Context, b event.Batch) error {
	c.mu.Lock()
	for _, e := range b.Events {
		if c.seen[e.ID] {
			c.repeated++
			continue
		}
		c.seen[e.ID] = true
		c.events = append(c.events, e)
	}
	var err error
	if c.AckWith != nil {
		err = c.AckWith(b.Events[0])
	}
	withhold := c.Withhold != nil && c.Withhold(b.Events[0], len(c.withheld))
	if withhold {
		c.withheld = append(c.withheld, b.Ack.Settle)
	}
	c.mu.Unlock()
	signal(c.Arrived)
	if !withhold {
		b.Ack.Settle(err)
	}
	return nil
}

// signal puts a value into a channel, unless it is full.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// SettleWithheld settles the batches in flight, and withholds no others.
func (c *Collector) SettleWithheld(err error) {
	c.mu.Lock()
	acks := c.withheld
	c.withheld, c.Withhold = nil, nil
	c.mu.Unlock()
	for _, ack := range acks {
		ack(err)
	}
}

// Await waits until n events have arrived in all, and returns all that have arrived. It fails if none arrives for testenv.Wait.
func (c *Collector) Await(t testing.TB, n int) []*event.Event {
	t.Helper()
	deadline := time.NewTimer(testenv.Wait)
	defer deadline.Stop()
	for before := 0; ; {
		events := c.Events()
		if len(events) >= n {
			return events
		}
		if len(events) > before {
			before = len(events)
			deadline.Reset(testenv.Wait)
		}
		select {
		case <-c.Arrived:
		case <-deadline.C:
			t.Fatalf("%d events of %d", len(events), n)
		}
	}
}

// AwaitKey waits until an event with a key has arrived, and returns all that have arrived.
func (c *Collector) AwaitKey(t testing.TB, key string) []*event.Event {
	t.Helper()
	for n := 0; ; n++ {
		events := c.Await(t, n)
		if slices.ContainsFunc(events[max(n-1, 0):], func(e *event.Event) bool { return e.Key == key }) {
			return events
		}
		n = len(events)
	}
}

// Events returns the events that have arrived, in the order of their first arrival.
func (c *Collector) Events() []*event.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clip(c.events)
}

// Prepend puts events before those that have arrived, such as those of a former collector.
func (c *Collector) Prepend(events []*event.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = slices.Concat(events, c.events)
}

// Seen reports whether the event with an ID has arrived.
func (c *Collector) Seen(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[id]
}

// Repeated returns how many events have arrived again.
func (c *Collector) Repeated() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.repeated
}

var _ plugin.Output = (*Collector)(nil)
