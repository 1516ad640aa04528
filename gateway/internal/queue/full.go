package queue

import (
	"context"
	"fmt"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/plugin"
)

// makeRoom applies the policy where ev does not fit.
func (q *Queue) makeRoom(ctx context.Context, ev *event.Event, r *ack.Receipt) error {
	if q.cfg.WhenFull == WhenFullBlock {
		if err := q.block(ctx, ev, r); err != nil {
			return err
		}
	}
	if q.cfg.WhenFull == WhenFullDropNewest {
		return nil
	}
	dropped := uint64(0)
	for !q.closed && !q.fits(ev) {
		if !q.dropConflated(ev) {
			it := q.removeOldest()
			q.drop(it)
			if it.Event.SpansKeys() { // later events may wait for fewer lanes now
				q.rescan()
			}
		}
		dropped++
	}
	if dropped > 0 {
		q.markDropped(dropped)
	}
	return nil
}

// block waits until ev fits, the queue closes or its policy changes, ctx ends, or, for events
// that cannot be replayed, max_block has passed since the queue became full.
func (q *Queue) block(ctx context.Context, ev *event.Event, r *ack.Receipt) error {
	if q.fullSince.IsZero() {
		q.fullSince = time.Now()
	}
	fullSince := q.fullSince
	expires := time.NewTimer(time.Hour)
	defer expires.Stop()
	watch := q.watchStall(r)
	defer watch.end()
	wake(q.ready) // for the events that were put before
	for !q.closed && !q.fits(ev) && q.cfg.WhenFull == WhenFullBlock {
		var expired <-chan time.Time
		if r == nil {
			left := q.cfg.MaxBlock.D() - time.Since(fullSince)
			if left <= 0 {
				return nil
			}
			expires.Reset(left)
			expired = expires.C
		}
		if !Waits(ctx) {
			return plugin.ErrNoRoom
		}
		changed := q.changed
		q.mu.Unlock()
		var err error
		check := false
		select {
		case <-q.space:
		case <-changed:
		case <-expired:
		case <-watch.due():
			check = true
		case <-ctx.Done():
			err = ctx.Err()
		}
		q.mu.Lock()
		if check {
			watch.check()
		}
		if err != nil {
			return err
		}
	}
	wake(q.space) // another source may fit as well, or must see that the queue is closed
	return nil
}

func (q *Queue) drop(it Item) {
	reason := q.dropReason()
	q.counts.Dropped[reason]++
	if q.cfg.Dropped != nil {
		q.cfg.Dropped(it.Event, reason)
	}
	it.Receipt.Done(ack.ErrDropped)
}

// The reasons for which events are dropped, beside the policies of [Options].WhenFull.
const (
	droppedClosed   = "closed"
	droppedMaxBlock = "max_block"
)

// dropReasons has all reasons.
var dropReasons = []string{droppedMaxBlock, WhenFullDropOldest, WhenFullDropNewest, WhenFullLatestPerKey, droppedClosed}

func (q *Queue) dropReason() string {
	switch {
	case q.closed:
		return droppedClosed
	case q.cfg.WhenFull == WhenFullBlock:
		return droppedMaxBlock
	}
	return q.cfg.WhenFull
}

// removeOldest removes the delayed event that is due first, or else the oldest of the others.
func (q *Queue) removeOldest() Item {
	ln := q.lanes.firstDelayed()
	switch {
	case ln == nil && q.inRing > 0:
		return q.pop()
	case ln == nil:
		ln = q.lanes.withDelayed()[0]
	}
	return q.removeFirst(ln)
}

// stallAfter is how long a queue must be full, with none of its events settled, until a source
// that waits for room in it counts as stalled.
const stallAfter = time.Minute

// stallWatch watches a full queue for which a source waits that can replay, and so waits without
// end. The queue's lock is held for all methods except due.
type stallWatch struct {
	queue    *Queue
	source   *ack.Tracker // nil: nothing is watched
	every    *time.Ticker
	settled  uint64
	reported bool
}

func (q *Queue) watchStall(r *ack.Receipt) stallWatch {
	if r == nil {
		return stallWatch{}
	}
	return stallWatch{queue: q, source: r.Tracker(), every: time.NewTicker(q.stallAfter), settled: q.settledTotal()}
}

// due is when to check.
func (w *stallWatch) due() <-chan time.Time {
	if w.source == nil {
		return nil
	}
	return w.every.C
}

// check reports a stall where no event was settled since the last check.
func (w *stallWatch) check() {
	q := w.queue
	settled := q.settledTotal()
	switch {
	case settled == w.settled:
		w.source.SetStalled(fmt.Sprintf("the queue of the sink %s is full, and none of its events is settled: %d wait for their next attempt, %d behind an event of their key; "+
			"correct what the receiver refuses, give the sink a dead_letter, or raise its queue.size and queue.bytes", q.cfg.Name, q.delayed, q.blocked))
		w.reported = true
	case w.reported:
		w.source.SetStalled("")
		w.reported = false
	}
	w.settled = settled
}

func (w *stallWatch) end() {
	if w.source == nil {
		return
	}
	w.every.Stop()
	if w.reported {
		w.source.SetStalled("")
	}
}

// settledTotal returns how many events of the queue were settled, in any way.
func (q *Queue) settledTotal() (n uint64) {
	n = q.counts.Delivered + q.counts.DeadLettered + q.counts.Returned
	for _, dropped := range q.counts.Dropped {
		n += dropped
	}
	return n
}
