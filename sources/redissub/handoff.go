package redissub

import (
	"context"
	"sync"

	"eventgateway/gateway/event"
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
	lost   int // dropped before events[0]
	err    error

	waiting chan struct{} // something waits
	failed  chan struct{} // closed when the connection is lost
}

func newHandoff(limit Buffer) *handoff {
	return &handoff{limit: limit, waiting: make(chan struct{}, 1), failed: make(chan struct{})}
}

func (h *handoff) put(e *event.Event) {
	h.mu.Lock()
	h.events = append(h.events, e)
	h.bytes += len(e.Data)
	for len(h.events) > h.limit.Messages || h.bytes > int(h.limit.Bytes) && len(h.events) > 1 {
		h.bytes -= len(h.events[0].Data)
		h.events[0] = nil
		h.events = h.events[1:]
		h.lost++
	}
	h.mu.Unlock()
	select {
	case h.waiting <- struct{}{}:
	default:
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

// take appends what waits to batch, up to maxBatch, and returns how many were
// dropped before. The error comes once everything was taken.
func (h *handoff) take(ctx context.Context, batch []*event.Event) (_ []*event.Event, lost int, err error) {
	for {
		h.mu.Lock()
		n := min(len(h.events), maxBatch)
		for i, e := range h.events[:n] {
			batch = append(batch, e)
			h.bytes -= len(e.Data)
			h.events[i] = nil
		}
		h.events = h.events[n:]
		if len(h.events) == 0 {
			h.events = nil // lets the array go that a burst has grown
		}
		lost, h.lost = h.lost, 0
		err := h.err
		left := len(h.events) > 0
		h.mu.Unlock()
		switch {
		case n > 0 || lost > 0:
			if left {
				err = nil
			}
			return batch, lost, err
		case err != nil:
			return batch, 0, err
		}
		select {
		case <-h.waiting:
		case <-h.failed:
		case <-ctx.Done():
			return batch, 0, ctx.Err()
		}
	}
}
