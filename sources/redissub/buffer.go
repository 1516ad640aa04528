package redissub

import (
	"context"
	"sync"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// maxBatch is how many events go into one Emit at most.
const maxBatch = 512

// messageBuffer is the bounded queue between the receiver and the routes. It never blocks the
// receiver: when it is full, it drops the oldest messages.
type messageBuffer struct {
	limit Buffer

	mu      sync.Mutex
	events  []*event.Event
	bytes   int
	dropped int    // before events[0]
	gaps    []gap  // in order, one per place
	noticed string // reason of a gap that this source has noticed, before the next event that is taken
	before  int    // number of events that were removed
	err     error

	waiting chan struct{} // gets a value when there are events or gaps
	failed  chan struct{} // closed by fail
}

// gap is a forwarded gap before the event with number at, counted from 0.
type gap struct {
	at int
	plugin.Gap
}

func newMessageBuffer(limit Buffer) *messageBuffer {
	return &messageBuffer{limit: limit, waiting: make(chan struct{}, 1), failed: make(chan struct{})}
}

func (h *messageBuffer) put(e *event.Event) {
	h.mu.Lock()
	h.events = append(h.events, e)
	h.bytes += len(e.Data)
	for len(h.events) > h.limit.Messages || h.bytes > int(h.limit.Bytes) && len(h.events) > 1 {
		h.removeFirst(1)
		h.dropped++
	}
	for len(h.gaps) > 1 && h.gaps[1].at <= h.before { // the events between them are dropped
		h.gaps = h.gaps[1:]
	}
	h.mu.Unlock()
	h.wake()
}

// gap appends a gap that is forwarded, unless one stands there already.
func (h *messageBuffer) gap(g plugin.Gap) {
	h.mu.Lock()
	at := h.before + len(h.events)
	if n := len(h.gaps); n == 0 || h.gaps[n-1].at < at {
		h.gaps = append(h.gaps, gap{at, g})
	}
	h.mu.Unlock()
	h.wake()
}

// notice reports a gap of this source. It comes before the events that wait, though it is somewhere between them.
func (h *messageBuffer) notice(reason string) {
	h.mu.Lock()
	h.noticed = reason
	h.mu.Unlock()
	h.wake()
}

func (h *messageBuffer) wake() {
	select {
	case h.waiting <- struct{}{}:
	default:
	}
}

// removeFirst removes the first n events.
func (h *messageBuffer) removeFirst(n int) {
	for i, e := range h.events[:n] {
		h.bytes -= len(e.Data)
		h.events[i] = nil
	}
	h.events = h.events[n:]
	h.before += n
	if len(h.events) == 0 {
		h.events = nil // frees the array, which may have grown in a burst
	}
}

// fail closes the buffer; its events and gaps remain. Only the first error counts.
func (h *messageBuffer) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		close(h.failed)
	}
}

// gapBefore describes what is missing before a batch.
type gapBefore struct {
	dropped   int         // before events[0]
	noticed   string      // reason of a gap that this source has noticed; "": none
	forwarded *plugin.Gap // of another gateway; nil: none
}

// next waits for events, and appends them to batch: maxBatch at most, and none after the next gap.
// It returns the error of [messageBuffer.fail] with the last of them.
func (h *messageBuffer) next(ctx context.Context, batch []*event.Event) (_ []*event.Event, before gapBefore, err error) {
	for {
		h.mu.Lock()
		before.dropped, h.dropped = h.dropped, 0
		before.noticed, h.noticed = h.noticed, ""
		if len(h.gaps) > 0 && h.gaps[0].at <= h.before {
			before.forwarded = &h.gaps[0].Gap
			h.gaps = h.gaps[1:]
		}
		n := min(len(h.events), maxBatch)
		if len(h.gaps) > 0 {
			n = min(n, max(h.gaps[0].at-h.before, 0))
		}
		batch = append(batch, h.events[:n]...)
		h.removeFirst(n)
		err := h.err
		left := len(h.events) > 0 || len(h.gaps) > 0
		h.mu.Unlock()
		switch {
		case n > 0 || before != gapBefore{}:
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
