package queue

import (
	"context"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/stats"
)

// Config is what a queue does beside its bounds.
type Config struct {
	Options
	Name   string // of the sink, for people
	ByKey  bool   // events of one key are in flight one after the other
	Shared bool   // several workers take
	// Restore returns what the source of an event knows of earlier attempts; nil where it knows nothing
	// that counts.
	Restore func(*event.Event) *Retry
	// Dropped, if it is set, is called for each event that is dropped. It must not block, because the queue is locked.
	Dropped func(e *event.Event, reason string)
}

// Queue holds the events that wait for one sink. Its methods are safe for concurrent use.
type Queue struct {
	stallAfter time.Duration // the constant, except in tests

	mu         sync.Mutex
	cfg        Config
	ring       []Item // grows by doubling
	head       uint64 // number of the first event in the ring
	next       uint64 // number of the next event to look at: earlier ones are blocked
	tail       uint64 // number that the next event gets
	inRing     int    // events in the ring: all from head to tail, except for holes
	blocked    int    // of those, the ones before next: they wait behind an event of their lane
	delayed    int    // events in lanes, outside of the ring, that wait for their next attempt
	bytes      int    // cost of the events in the ring and the delayed ones
	gaps       []gapMark
	lanes      lanes
	lanesFirst bool // whether the next batch begins with delayed events or with the ring
	latest     conflation

	closed     bool      // later puts are dropped
	drainUntil time.Time // when closed: later attempts are not waited for
	rejecting  bool      // items that are put back are returned to their sources
	// fullSince is when the queue became full; zero once it has drained to half. max_block is one
	// budget for that whole time: else a dead sink would block its source for max_block per event.
	fullSince time.Time
	counts    stats.QueueCounts

	ready chan struct{} // wakes one worker
	space chan struct{} // wakes one blocked source
	ended chan struct{} // closed by Close

	changed chan struct{} // closed when the options change
}

// firstNumber leaves numbers below for events that are put back; numbers never wrap around.
const firstNumber = 1 << 62

// New returns an empty queue.
func New(cfg Config) *Queue {
	q := &Queue{
		stallAfter: stallAfter, cfg: cfg,
		head: firstNumber, next: firstNumber, tail: firstNumber,
		lanes: newLanes(cfg.ByKey),
		ring:  make([]Item, min(64, cfg.Size)),
		ready: make(chan struct{}, 1), space: make(chan struct{}, 1), ended: make(chan struct{}), changed: make(chan struct{}),
	}
	q.latest.enable(cfg.WhenFull == WhenFullLatestPerKey)
	// The counters exist before the first drop, so that a rate shows that drop.
	q.counts.Dropped = make(map[string]uint64, len(dropReasons))
	for _, reason := range dropReasons {
		q.counts.Dropped[reason] = 0
	}
	return q
}

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Put adds events in order, by the policy of the queue. Its error is ctx's, where that ends while Put blocks;
// then the rest is settled with it.
func (q *Queue) Put(ctx context.Context, events []*event.Event, r *ack.Receipt) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer wake(q.ready)
	for i, ev := range events {
		if !q.fits(ev) {
			if err := q.makeRoom(ctx, ev, r); err != nil {
				rest := events[i:]
				q.counts.In += uint64(len(rest))
				q.counts.Returned += uint64(len(rest))
				for range rest {
					r.Done(err)
				}
				return err
			}
		}
		q.counts.In++
		if !q.fits(ev) { // drop_newest, or a closed queue
			q.drop(Item{Event: ev, Receipt: r})
			q.markDropped(1)
			continue
		}
		q.push(Item{Event: ev, Receipt: r, Retry: q.restore(ev)})
	}
	return nil
}

// fits reports whether there is room for ev. An event larger than the bound in bytes fits
// into an empty queue: else it could never pass.
func (q *Queue) fits(ev *event.Event) bool {
	n := q.inRing + q.delayed
	return !q.closed && (n == 0 || n < q.cfg.Size && q.bytes+cost(ev) <= int(q.cfg.Bytes))
}

func (q *Queue) restore(ev *event.Event) *Retry {
	if ev.Attempts == nil || q.cfg.Restore == nil {
		return nil
	}
	return q.cfg.Restore(ev)
}
