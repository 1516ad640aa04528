package router

import (
	"context"
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// item is one copy of an event on its way to one sink.
type item struct {
	ev      *event.Event
	receipt *receipt
}

// queue is the bounded ring before one sink, and the only place where that
// sink's copies are counted. Several sources put, the sink's goroutine takes.
type queue struct {
	limit Queue

	mu     sync.Mutex
	ring   []item // grows by doubling up to limit.Size
	head   uint64 // number of the first waiting event; numbers never wrap
	tail   uint64 // number that the next event gets
	bytes  int    // payload bytes of the waiting events
	marks  []mark // gaps, in order
	closed bool
	// fullSince is when the queue became full; the zero time once it has
	// drained to half. max_block is one budget for that whole time: else a
	// sink that is dead for good would hold its source for max_block per event.
	fullSince time.Time
	counts    QueueCounts

	taker  chan struct{} // tells the sink's goroutine that something waits
	putter chan struct{} // tells one blocked source that there is room
	ended  chan struct{} // closed by close
}

func newQueue(limit Queue) *queue {
	q := &queue{
		limit: limit,
		ring:  make([]item, min(64, limit.Size)),
		taker: make(chan struct{}, 1), putter: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	// The counter is there before its first drop, so that a rate shows it.
	q.counts.Dropped = map[string]uint64{q.dropReason(): 0}
	return q
}

func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// put adds events in order, by the policy of the queue. It returns early, with
// ctx's error, only where ctx ends while it blocks; what was not put by then is
// settled with that error.
func (q *queue) put(ctx context.Context, events []*event.Event, r *receipt) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, ev := range events {
		if !q.room(ev) {
			if err := q.makeRoom(ctx, ev, r); err != nil {
				rest := events[i:]
				q.counts.In += uint64(len(rest))
				q.counts.Returned += uint64(len(rest))
				for range rest {
					r.done(err)
				}
				return err
			}
		}
		q.counts.In++
		if !q.room(ev) { // drop_newest, or a queue that is closed
			q.drop(item{ev, r})
			continue
		}
		if q.tail-q.head == uint64(len(q.ring)) {
			q.grow()
		}
		q.ring[q.tail%uint64(len(q.ring))] = item{ev, r}
		q.tail++
		q.bytes += len(ev.Data)
	}
	notify(q.taker)
	return nil
}

// room says whether ev fits. An event larger than all bytes allowed still fits
// into an empty queue: else it could never pass.
func (q *queue) room(ev *event.Event) bool {
	n := q.tail - q.head
	return !q.closed && (n == 0 || n < uint64(q.limit.Size) && q.bytes+len(ev.Data) <= int(q.limit.Bytes))
}

// makeRoom applies the policy to a queue in which ev does not fit.
func (q *queue) makeRoom(ctx context.Context, ev *event.Event, r *receipt) error {
	switch q.limit.WhenFull {
	case whenFullDropNewest:
		return nil
	case whenFullBlock:
		if err := q.block(ctx, ev, r); err != nil {
			return err
		}
	}
	dropped := false
	for !q.closed && !q.room(ev) {
		q.drop(q.pop())
		dropped = true
	}
	if dropped && q.limit.WhenFull == whenFullBlock {
		q.addMark(q.head, plugin.Gap{Reason: "the queue was full for longer than max_block"})
	}
	return nil
}

// block waits until ev fits, the queue closes, ctx ends, or, for events that
// nobody can replay, max_block has passed since the queue became full.
func (q *queue) block(ctx context.Context, ev *event.Event, r *receipt) error {
	now := time.Now()
	if q.fullSince.IsZero() {
		q.fullSince = now
	}
	var expired <-chan time.Time
	if r == nil {
		left := q.limit.MaxBlock.D() - now.Sub(q.fullSince)
		if left <= 0 {
			return nil
		}
		t := time.NewTimer(left)
		defer t.Stop()
		expired = t.C
	}
	notify(q.taker) // what was put before waits already
	for !q.closed && !q.room(ev) {
		q.mu.Unlock()
		var err error
		late := false
		select {
		case <-q.putter:
		case <-expired:
			late = true
		case <-ctx.Done():
			err = ctx.Err()
		}
		q.mu.Lock()
		if err != nil || late {
			return err
		}
	}
	notify(q.putter) // another source may fit as well, or must hear of the close
	return nil
}

// pop removes the first waiting event.
func (q *queue) pop() item {
	slot := &q.ring[q.head%uint64(len(q.ring))]
	it := *slot
	*slot = item{}
	q.head++
	q.bytes -= len(it.ev.Data)
	return it
}

func (q *queue) drop(it item) {
	q.counts.Dropped[q.dropReason()]++
	it.receipt.done(errDropped)
}

func (q *queue) dropReason() string {
	switch {
	case q.closed:
		return "closed"
	case q.limit.WhenFull == whenFullBlock:
		return "max_block"
	}
	return q.limit.WhenFull
}

func (q *queue) grow() {
	bigger := make([]item, min(2*len(q.ring), q.limit.Size))
	for n := q.head; n < q.tail; n++ {
		bigger[n%uint64(len(bigger))] = q.ring[n%uint64(len(q.ring))]
	}
	q.ring = bigger
}

// take waits for something and moves up to most events into batch; or it
// returns the gap that stands before the next event. Once the queue is closed
// and empty, or ctx ended, it returns ok false.
func (q *queue) take(ctx context.Context, batch []item, most int) (_ []item, gap *plugin.Gap, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head == q.tail && len(q.marks) == 0 {
		if q.closed {
			return batch, nil, false
		}
		q.mu.Unlock()
		select {
		case <-q.taker:
		case <-ctx.Done():
		}
		q.mu.Lock()
		if ctx.Err() != nil {
			return batch, nil, false
		}
	}
	if ctx.Err() != nil {
		return batch, nil, false
	}
	end := min(q.tail, q.head+uint64(most))
	if len(q.marks) > 0 {
		first := q.marks[0]
		if first.at <= q.head {
			q.marks = slices.DeleteFunc(q.marks, func(m mark) bool {
				return m.at <= q.head && m.gap.Source == first.gap.Source
			})
			return batch, &first.gap, true
		}
		end = min(end, first.at)
	}
	for q.head < end {
		batch = append(batch, q.pop())
	}
	q.counts.Writing += uint64(len(batch))
	if q.tail-q.head <= uint64(q.limit.Size)/2 && q.bytes <= int(q.limit.Bytes)/2 {
		q.fullSince = time.Time{}
	}
	notify(q.putter)
	return batch, nil, true
}

// close lets take drain what waits and then end; later puts are dropped.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		close(q.ended)
	}
	q.closed = true
	notify(q.taker)
	notify(q.putter)
}

// drained says whether the queue is closed and empty.
func (q *queue) drained() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && q.head == q.tail
}
