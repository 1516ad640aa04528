package redissub

import (
	"context"
	"sync"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// maxBatch is how many events go into one Emit at most.
const maxBatch = 512

// handoff is the bounded buffer between receiving and routing. The receiver
// never waits: when it is full, the oldest go.
type handoff struct {
	limit Buffer

	mu     sync.Mutex
	events []*event.Event
	bytes  int
	lost   int   // dropped before events[0]
	gaps   []gap // in order, one per place: no more than events wait, and one
	before int   // events that were taken or dropped
	err    error

	waiting chan struct{} // something waits
	failed  chan struct{} // closed when the connection is lost
}

// gap is one that is passed on, before the event with number at, from 0.
type gap struct {
	at int
	plugin.Gap
}

func newHandoff(limit Buffer) *handoff {
	return &handoff{limit: limit, waiting: make(chan struct{}, 1), failed: make(chan struct{})}
}

func (h *handoff) put(e *event.Event) {
	h.mu.Lock()
	h.events = append(h.events, e)
	h.bytes += len(e.Data)
	for len(h.events) > h.limit.Messages || h.bytes > int(h.limit.Bytes) && len(h.events) > 1 {
		h.forget(1)
		h.lost++
	}
	for len(h.gaps) > 1 && h.gaps[1].at <= h.before { // what was between them is gone
		h.gaps = h.gaps[1:]
	}
	h.mu.Unlock()
	h.wake()
}

// gap puts a gap that is passed on behind what waits.
func (h *handoff) gap(g plugin.Gap) {
	h.mu.Lock()
	at := h.before + len(h.events)
	if n := len(h.gaps); n == 0 || h.gaps[n-1].at < at {
		h.gaps = append(h.gaps, gap{at, g})
	}
	h.mu.Unlock()
	h.wake()
}

func (h *handoff) wake() {
	select {
	case h.waiting <- struct{}{}:
	default:
	}
}

// forget removes the first n events.
func (h *handoff) forget(n int) {
	for i, e := range h.events[:n] {
		h.bytes -= len(e.Data)
		h.events[i] = nil
	}
	h.events = h.events[n:]
	h.before += n
	if len(h.events) == 0 {
		h.events = nil // lets the array go that a burst has grown
	}
}

// fail ends the buffer: what waits can still be taken. Only the first error counts.
func (h *handoff) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		close(h.failed)
	}
}

// missed is what stands before the events of one take.
type missed struct {
	lost   int         // that were dropped
	passed *plugin.Gap // on by others; nil: none
}

// take appends what waits to batch, up to maxBatch and up to the next gap, and returns what
// was missed before. The error comes once everything was taken.
func (h *handoff) take(ctx context.Context, batch []*event.Event) (_ []*event.Event, before missed, err error) {
	for {
		h.mu.Lock()
		before.lost, h.lost = h.lost, 0
		if len(h.gaps) > 0 && h.gaps[0].at <= h.before {
			before.passed = &h.gaps[0].Gap
			h.gaps = h.gaps[1:]
		}
		n := min(len(h.events), maxBatch)
		if len(h.gaps) > 0 {
			n = min(n, max(h.gaps[0].at-h.before, 0))
		}
		batch = append(batch, h.events[:n]...)
		h.forget(n)
		err := h.err
		left := len(h.events) > 0 || len(h.gaps) > 0
		h.mu.Unlock()
		switch {
		case n > 0 || before.lost > 0 || before.passed != nil:
			if left {
				err = nil
			}
			return batch, before, err
		case err != nil:
			return batch, before, err
		}
		select {
		case <-h.waiting:
		case <-h.failed:
		case <-ctx.Done():
			return batch, before, ctx.Err()
		}
	}
}
