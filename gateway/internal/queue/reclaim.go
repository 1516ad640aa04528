package queue

import (
	"slices"
	"time"

	"eventgateway/gateway/internal/ack"
)

// A source that has ended, or has lost its leadership, may have events in the queues of sinks. Some are returned to
// it, because its successor or the new leader brings them again, in order.

// ReturnRevoked returns those of the items, which were taken, whose leadership is lost. It gives back the others.
func (q *Queue) ReturnRevoked(items []Item) (kept []Item) {
	if !AnyRevoked(items) {
		return items
	}
	revoked, kept := split(items, func(it Item) bool { return it.Receipt.Revoked() })
	q.Complete(revoked, Returned)
	Done(revoked, ack.ErrNotLeading)
	return kept
}

// ReclaimAll returns all events of a source that wait. A write under way goes on.
func (q *Queue) ReclaimAll(of *ack.Tracker) {
	q.mu.Lock()
	var items []Item
	for n := q.head; n < q.tail; n++ {
		if it := q.slot(n); it.Event != nil && it.Receipt.Of(of) {
			items = append(items, q.remove(n))
		}
	}
	for _, ln := range q.lanes.withDelayed() {
		var own []Item
		own, ln.delayed = split(ln.delayed, func(it Item) bool { return it.Receipt.Of(of) })
		for _, it := range own {
			q.countDelayed(it, -1)
		}
		items = append(items, own...)
		q.placeLane(ln)
	}
	if slices.ContainsFunc(items, func(it Item) bool { return it.Event.SpansKeys() }) { // later events may wait for fewer lanes now
		q.rescan()
	}
	q.returnAndUnlock(items, ack.ErrNotLeading)
}

// ReclaimLate returns the events of a source, which has ended, whose next attempt is later than until, and the events
// behind them.
func (q *Queue) ReclaimLate(of *ack.Tracker, until time.Time) {
	q.mu.Lock()
	var items []Item
	joined := false
	for _, ln := range slices.Clone(q.lanes.ready) {
		if !ln.due().After(until) {
			continue
		}
		all := q.lanes.withSuccessors(nil, ln)
		if slices.ContainsFunc(all, func(ln *lane) bool { return q.hasOthers(ln, of) }) {
			continue // the events of other sources must stay in order
		}
		for _, one := range all {
			for q.unblock(one) {
				items = append(items, q.takeDelayed(one))
			}
		}
		joined = joined || len(all) > 1
		q.placeLane(ln)
	}
	if joined {
		q.rescan()
	}
	if len(items) > 0 && q.lanes.byKey {
		items = q.removeBehind(items, of)
	}
	q.returnAndUnlock(items, ack.ErrReplaced)
}

// removeBehind removes, too, the events of a source in the ring that stand behind items.
func (q *Queue) removeBehind(items []Item, of *ack.Tracker) []Item {
	keys, all := map[string]bool{}, false
	for _, it := range items {
		keys[it.Event.Key] = true
		all = all || it.Event.SpansKeys()
	}
	for n := q.next; n < q.tail; n++ {
		it := q.slot(n)
		if it.Event == nil || !it.Receipt.Of(of) || !all && !keys[it.Event.Key] && !it.Event.SpansKeys() {
			continue
		}
		all = all || it.Event.SpansKeys()
		items = append(items, q.remove(n))
	}
	return items
}

// withSuccessors appends a lane, and those that wait for its end, to all.
func (l *lanes) withSuccessors(all []*lane, ln *lane) []*lane {
	if slices.Contains(all, ln) {
		return all
	}
	all = append(all, ln)
	for _, next := range l.successors[ln] {
		all = l.withSuccessors(all, next)
	}
	return all
}

// hasOthers reports whether a lane has events of another source.
func (q *Queue) hasOthers(ln *lane, of *ack.Tracker) bool {
	return slices.ContainsFunc(ln.delayed, func(it Item) bool { return !it.Receipt.Of(of) }) ||
		slices.ContainsFunc(ln.blocked, func(n uint64) bool { return q.holds(n) && !q.slot(n).Receipt.Of(of) })
}

// returnAndUnlock returns items, which were removed, and unlocks the queue.
func (q *Queue) returnAndUnlock(items []Item, why error) {
	q.counts.Returned += uint64(len(items))
	wake(q.space)
	wake(q.ready) // the queue may be closed, and empty now
	q.mu.Unlock()
	Done(items, why)
}
