package queue

import "time"

// Found is an event that waits in a queue.
type Found struct {
	Source   string
	Attempts int       // failed ones
	Due      time.Time // of the next attempt; zero before the first failure
	Blocked  bool      // it waits behind an earlier event of its key
}

// maxExamined bounds the events and lanes that Find examines under one hold of the lock: a fraction of a millisecond.
const maxExamined = 4096

// Find returns the events with an ID that wait in the queue. It does not hold the lock for long, so it can miss an event that moves meanwhile.
// Those in flight are not in the queue.
func (q *Queue) Find(id string) (found []Found) {
	for n, more := uint64(0), true; more; {
		n, more = q.findInRing(id, n, &found)
	}
	for lane, at, more := 0, 0, true; more; {
		lane, at, more = q.findDelayed(id, lane, at, &found)
	}
	return found
}

// findInRing examines the events of the ring from number n on. It returns the number at which the next call begins.
func (q *Queue) findInRing(id string, n uint64, found *[]Found) (next uint64, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = max(n, q.head)
	for end := min(q.tail, n+maxExamined); n < end; n++ {
		if it := q.slot(n); it.Event != nil && it.Event.ID == id {
			*found = append(*found, foundOf(it, n < q.next))
		}
	}
	return n, n < q.tail
}

// findDelayed examines the delayed events of lanes with nothing in flight: of the lane with this index from the event at on, and of the next
// lanes. It returns the lane and the event at which the next call begins.
func (q *Queue) findDelayed(id string, lane, at int, found *[]Found) (nextLane, next int, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for left := maxExamined; lane < len(q.lanes.ready); lane, at, left = lane+1, 0, left-1 {
		delayed := q.lanes.ready[lane].delayed
		for ; at < len(delayed) && left > 0; at, left = at+1, left-1 {
			if it := &delayed[at]; it.Event.ID == id {
				*found = append(*found, foundOf(it, at > 0))
			}
		}
		if left <= 0 {
			return lane, at, true
		}
	}
	return lane, 0, false
}

func foundOf(it *Item, blocked bool) Found {
	f := Found{Source: it.Event.Source, Attempts: it.Attempts(), Blocked: blocked}
	if it.Retry != nil {
		f.Due = it.Retry.Due
	}
	return f
}
