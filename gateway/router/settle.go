package router

import "maps"

// outcome says what became of events that were taken.
type outcome int

const (
	delivered outcome = iota
	deadLettered
	returned
)

// settle counts events that were taken as settled, and gives their receipts.
func (q *queue) settle(items []item, o outcome, err error) {
	q.mu.Lock()
	n := uint64(len(items))
	q.counts.Writing -= n
	switch o {
	case delivered:
		q.counts.Delivered += n
	case deadLettered:
		q.counts.DeadLettered += n
	case returned:
		q.counts.Returned += n
	}
	q.mu.Unlock()
	for _, it := range items {
		it.receipt.done(err)
	}
}

// returnRest settles everything that still waits as returned.
func (q *queue) returnRest(err error) {
	var rest []item
	q.mu.Lock()
	for q.head < q.tail {
		rest = append(rest, q.pop())
	}
	q.counts.Writing += uint64(len(rest))
	q.mu.Unlock()
	q.settle(rest, returned, err)
}

func (q *queue) snapshot() QueueCounts {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.counts
	c.Dropped = maps.Clone(q.counts.Dropped)
	c.Queued, c.QueuedBytes = q.tail-q.head, uint64(q.bytes)
	return c
}
