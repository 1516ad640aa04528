package router

import (
	"context"
	"errors"
	"sync"
	"time"

	"eventgateway/gateway/event"
)

// item is one copy of an event on its way to one sink.
type item struct {
	ev      *event.Event
	receipt *receipt
	trial   *trial // nil before its first failure
	line    *line  // while it is in a worker's hands, and others must wait for it
}

// overhead is what an event takes in memory beside its payload, in bytes: the
// struct, its place in a queue, and what the allocator rounds up.
const overhead = 256

func cost(ev *event.Event) int { return len(ev.Data) + overhead }

// queue is what waits for a sink, and the only place where the sink's copies are
// counted. Several sources put, the workers take.
type queue struct {
	name string // of the sink
	// stallAfter is the constant, but in tests.
	stallAfter time.Duration
	limit      Queue
	shared     bool                      // several workers take
	recall     func(*event.Event) *trial // what the source knows of a delivery before this one, or nil

	mu     sync.Mutex
	ring   []item // grows by doubling as needed
	head   uint64 // number of the first waiting event
	scan   uint64 // number of the next event to look at: those before it wait in lines
	tail   uint64 // number that the next event gets
	live   int    // events in the ring: all from head to tail, but for the holes
	passed int    // those of them before scan
	aside  int    // events that wait in lines for their next attempt, beside the ring
	bytes  int    // cost of the waiting events
	marks  []mark // gaps, in order
	lines  lines
	turn   bool // whether lines or the ring come first
	latest conflation
	closed bool      // later puts are dropped
	until  time.Time // with closed: attempts later than this are not waited for
	moved  bool      // later puts go to the successor
	over   bool      // what is put back is given back
	// fullSince is when the queue became full; the zero time once it has
	// drained to half. max_block is one budget for that whole time: else a
	// sink that is dead for good would hold its source for max_block per event.
	fullSince time.Time
	counts    QueueCounts

	taker  chan struct{} // tells one worker that something waits
	putter chan struct{} // tells one blocked source that there is room
	ended  chan struct{} // closed by close
}

// firstNumber leaves room below for events that were taken and are put back, or
// come from a predecessor; numbers never wrap.
const firstNumber = 1 << 62

func newQueue(d Delivery) *queue {
	limit := d.Queue
	q := &queue{
		stallAfter: stallAfter, limit: limit, shared: d.Workers > 1,
		head: firstNumber, scan: firstNumber, tail: firstNumber,
		lines: newLines(d.Ordering == OrderingKey),
		ring:  make([]item, min(64, limit.Size)),
		taker: make(chan struct{}, 1), putter: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if limit.WhenFull == WhenFullLatestPerKey {
		q.latest = newConflation()
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

// errMoved is what put returns where the queue has a successor.
var errMoved = errors.New("the queue has a successor")

// put adds events in order, by the policy of the queue, and returns how many it
// has dealt with. The error is errMoved where the rest belongs to the successor,
// or ctx's where that ended while put blocked; then the rest is settled with it.
func (q *queue) put(ctx context.Context, events []*event.Event, r *receipt) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer notify(q.taker)
	for i, ev := range events {
		if !q.room(ev) && !q.moved {
			if err := q.makeRoom(ctx, ev, r); err != nil {
				rest := events[i:]
				q.counts.In += uint64(len(rest))
				q.counts.Returned += uint64(len(rest))
				for range rest {
					r.done(err)
				}
				return len(events), err
			}
		}
		if q.moved {
			return i, errMoved
		}
		q.counts.In++
		if !q.room(ev) { // drop_newest, or a queue that is closed
			q.drop(item{ev: ev, receipt: r})
			q.noteDropped(1)
			continue
		}
		q.push(item{ev: ev, receipt: r, trial: q.recalled(ev)})
	}
	return len(events), nil
}

// room says whether ev fits. An event larger than all bytes allowed still fits
// into an empty queue: else it could never pass.
func (q *queue) room(ev *event.Event) bool {
	n := q.live + q.aside
	return !q.closed && (n == 0 || n < q.limit.Size && q.bytes+cost(ev) <= int(q.limit.Bytes))
}

// recalled is what the event's source knows of attempts before.
func (q *queue) recalled(ev *event.Event) *trial {
	if ev.Tried == nil || q.recall == nil {
		return nil
	}
	return q.recall(ev)
}

// makeRoom applies the policy to a queue in which ev does not fit.
func (q *queue) makeRoom(ctx context.Context, ev *event.Event, r *receipt) error {
	switch q.limit.WhenFull {
	case WhenFullDropNewest:
		return nil
	case WhenFullBlock:
		if err := q.block(ctx, ev, r); err != nil {
			return err
		}
	}
	dropped := uint64(0)
	for !q.closed && !q.moved && !q.room(ev) {
		if !q.dropOvertaken(ev) {
			it := q.oldest()
			q.drop(it)
			if it.ev.Joins() { // what was behind it may wait for less now
				q.lookAgain()
			}
		}
		dropped++
	}
	if dropped > 0 {
		q.noteDropped(dropped)
	}
	return nil
}

// block waits until ev fits, the queue closes or moves, ctx ends, or, for events
// that nobody can replay, max_block has passed since the queue became full.
func (q *queue) block(ctx context.Context, ev *event.Event, r *receipt) error {
	now := time.Now()
	if q.fullSince.IsZero() {
		q.fullSince = now
	}
	var expired <-chan time.Time
	stands := q.watch(r)
	defer stands.end()
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
	for !q.closed && !q.moved && !q.room(ev) {
		q.mu.Unlock()
		var err error
		late, look := false, false
		select {
		case <-q.putter:
		case <-stands.due():
			look = true
		case <-expired:
			late = true
		case <-ctx.Done():
			err = ctx.Err()
		}
		q.mu.Lock()
		if look {
			stands.look()
		}
		if err != nil || late {
			return err
		}
	}
	notify(q.putter) // another source may fit as well, or must hear of the end
	return nil
}

func (q *queue) drop(it item) {
	q.counts.Dropped[q.dropReason()]++
	it.receipt.done(errDropped)
}

func (q *queue) dropReason() string {
	switch {
	case q.closed:
		return "closed"
	case q.limit.WhenFull == WhenFullBlock:
		return "max_block"
	}
	return q.limit.WhenFull
}
