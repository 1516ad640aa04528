package queue

import (
	"maps"
	"time"

	"eventgateway/gateway/internal/stats"
)

// SetOptions changes the bounds and the policy of the queue at once. A put that blocks looks at them again.
func (q *Queue) SetOptions(o Options) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cfg.Options = o
	q.fullSince = time.Time{}
	q.latest.enable(o.WhenFull == WhenFullLatestPerKey)
	for n := q.head; n < q.tail; n++ {
		if it := q.slot(n); it.Event != nil {
			q.latest.appended(it, n)
		}
	}
	close(q.changed)
	q.changed = make(chan struct{})
}

// Reconfigure changes all of the queue's configuration. No worker may have events in flight: the successor of a
// sink calls it before its workers start.
func (q *Queue) Reconfigure(cfg Config) {
	q.SetOptions(cfg.Options)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cfg = cfg
	delayed := q.removeDelayed()
	q.lanes = newLanes(cfg.ByKey)
	q.prepend(delayed)
}

// removeDelayed removes all delayed events, those of a key in order.
func (q *Queue) removeDelayed() (items []Item) {
	for _, ln := range q.lanes.withDelayed() {
		for len(ln.delayed) > 0 {
			items = append(items, q.takeDelayed(ln))
		}
		ln.blocked = nil
		q.placeLane(ln)
	}
	return items
}

// ReturnRest returns all events to their sources with err, and those that are put back later, too.
func (q *Queue) ReturnRest(err error) {
	q.mu.Lock()
	items := q.removeDelayed()
	for q.inRing > 0 {
		items = append(items, q.pop())
	}
	q.rescan()
	q.rejecting = true
	q.counts.Returned += uint64(len(items))
	q.mu.Unlock()
	Done(items, err)
}

// Close lets workers take the events that wait, and then end; later puts are dropped. Events whose next attempt is
// later than drainUntil stay.
func (q *Queue) Close(drainUntil time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		close(q.ended)
	}
	q.closed, q.drainUntil = true, drainUntil
	wake(q.ready)
	wake(q.space)
}

// Closed returns a channel that is closed by Close.
func (q *Queue) Closed() <-chan struct{} { return q.ended }

// Empty reports whether the queue is closed, and no event waits in it.
func (q *Queue) Empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && q.inRing+q.delayed == 0
}

// Drained reports whether the queue is closed, and nothing in it can be taken before the end of the drain.
func (q *Queue) Drained() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	due, waits := q.lanes.nextDue()
	return q.closed && q.inRing == q.blocked && len(q.gaps) == 0 && (!waits || due.After(q.drainUntil))
}

// Counts returns how many events the queue has settled, and how many it holds.
func (q *Queue) Counts() stats.QueueCounts {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.counts
	c.Dropped = maps.Clone(q.counts.Dropped)
	c.Queued, c.QueuedBytes = uint64(q.inRing+q.delayed), uint64(q.bytes)
	c.Capacity, c.CapacityBytes = uint64(q.cfg.Size), uint64(q.cfg.Bytes)
	c.Retrying, c.HeldBack = uint64(q.delayed), uint64(q.blocked)
	return c
}
