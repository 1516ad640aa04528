package queue

import "eventgateway/gateway/internal/ack"

// Delay puts back events that were taken and have failed. Each waits until its Retry is due, and the later events of
// its lane wait with it.
func (q *Queue) Delay(items []Item) {
	items = q.ReturnRevoked(items)
	q.mu.Lock()
	q.counts.Writing -= uint64(len(items))
	q.delay(items)
	wake(q.ready)
	q.mu.Unlock()
	var reclaimed *ack.Tracker
	for i := range items {
		of := items[i].Receipt.Tracker()
		if deadline, ended := items[i].Receipt.Deadline(); ended && of != reclaimed {
			q.ReclaimLate(of, deadline)
			reclaimed = of
		}
	}
}

// delay puts events that have failed, or come back, before the others of their lanes, in
// their order.
func (q *Queue) delay(items []Item) {
	var touched []*lane
	for _, it := range items {
		ln := it.lane
		if ln == nil {
			ln = q.lanes.find(it.Event, it.Event.SpansKeys())
		} else {
			ln.inFlight--
		}
		if ln == nil {
			ln = q.lanes.open(it.Event, it.Event.SpansKeys())
		}
		if len(ln.scratch) == 0 {
			touched = append(touched, ln)
		}
		it.lane = nil
		ln.scratch = append(ln.scratch, it)
		q.countDelayed(it, 1)
	}
	for _, ln := range touched {
		ln.delayed, ln.scratch = append(ln.scratch, ln.delayed...), nil
		if len(ln.blocked) > 0 {
			q.latest.blocked(ln)
		}
		q.placeLane(ln)
	}
}

// takeDelayed removes the first delayed event of a lane. The caller places the lane.
func (q *Queue) takeDelayed(ln *lane) Item {
	it := ln.delayed[0]
	ln.delayed[0] = Item{}
	ln.delayed = ln.delayed[1:]
	q.countDelayed(it, -1)
	return it
}

// removeFirst removes the first delayed event of a lane for good.
func (q *Queue) removeFirst(ln *lane) Item {
	it := q.takeDelayed(ln)
	q.placeLane(ln)
	return it
}

// countDelayed counts an event that becomes delayed, with n 1, or that was, with n -1.
func (q *Queue) countDelayed(it Item, n int) {
	q.delayed += n
	q.bytes += n * cost(it.Event)
}

// unblock reports whether a lane has an event to write. Where no delayed one is left, it moves the next blocked
// one there.
func (q *Queue) unblock(ln *lane) bool {
	for len(ln.delayed) == 0 && len(ln.blocked) > 0 {
		n := ln.blocked[0]
		ln.blocked = ln.blocked[1:]
		if q.holds(n) {
			it := q.remove(n)
			ln.delayed = []Item{it}
			q.countDelayed(it, 1)
		}
	}
	return len(ln.delayed) > 0
}
