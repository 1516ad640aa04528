package queue

import "time"

// Found is an event that waits in a queue.
type Found struct {
	Source   string
	Attempts int       // failed ones
	Due      time.Time // of the next attempt; zero before the first failure
	Blocked  bool      // it waits behind an earlier event of its key
}

// maxLooked bounds the events that Find looks at under one hold of the lock: a fraction of a millisecond.
const maxLooked = 4096

// Find returns the events with an ID that wait in the queue. It does not hold the lock for long, so it can miss an event that moves meanwhile.
// Those in flight are not in the queue.
func (q *Queue) Find(id string) (found []Found) {
	for n, more := uint64(0), true; more; {
		n, more = q.findInRing(id, n, &found)
	}
	for i, more := 0, true; more; i += maxLooked {
		more = q.findDelayed(id, i, &found)
	}
	return found
}

// findInRing looks at the events of the ring from number n on. It returns where to go on.
func (q *Queue) findInRing(id string, n uint64, found *[]Found) (next uint64, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = max(n, q.head)
	for end := min(q.tail, n+maxLooked); n < end; n++ {
		if it := q.slot(n); it.Event != nil && it.Event.ID == id {
			*found = append(*found, foundOf(it, n < q.next))
		}
	}
	return n, n < q.tail
}

// findDelayed looks at the delayed events of lanes with nothing in flight, from index i on.
func (q *Queue) findDelayed(id string, i int, found *[]Found) (more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	looked := 0
	for end := i + maxLooked; i < min(end, len(q.lanes.ready)); i++ {
		for j := range q.lanes.ready[i].delayed {
			if it := &q.lanes.ready[i].delayed[j]; it.Event.ID == id {
				*found = append(*found, foundOf(it, j > 0))
			}
			if looked++; looked > 2*maxLooked {
				return true
			}
		}
	}
	return i < len(q.lanes.ready)
}

func foundOf(it *Item, blocked bool) Found {
	f := Found{Source: it.Event.Source, Attempts: it.Attempts(), Blocked: blocked}
	if it.Retry != nil {
		f.Due = it.Retry.Due
	}
	return f
}
