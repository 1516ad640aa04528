package queue

import "eventgateway/gateway/internal/ack"

// Outcome is what became of events that were taken.
type Outcome int

// The outcomes of [Queue.Complete].
const (
	Delivered Outcome = iota
	DeadLettered
	Returned // to their source, which brings them again
)

// Complete counts events that were taken as settled, and lets the events go on that wait for
// them. The caller settles the receipts: a dead letter takes its receipt along.
func (q *Queue) Complete(items []Item, o Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := uint64(len(items))
	q.counts.Writing -= n
	switch o {
	case Delivered:
		q.counts.Delivered += n
	case DeadLettered:
		q.counts.DeadLettered += n
	case Returned:
		q.counts.Returned += n
	}
	for _, it := range items {
		if it.lane != nil {
			it.lane.inFlight--
			q.placeLane(it.lane)
		}
	}
	if len(q.lanes.ready) > 0 {
		wake(q.ready)
	}
}

// PutBack puts events that were taken before all that wait: their write was cut short. They may exceed the bounds.
func (q *Queue) PutBack(items []Item) {
	items = q.ReturnRevoked(items)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.counts.Writing -= uint64(len(items))
	if q.rejecting {
		q.counts.Returned += uint64(len(items))
		Done(items, ack.ErrStopping)
		return
	}
	inLanes, others := split(items, func(it Item) bool { return it.lane != nil })
	q.delay(inLanes)
	q.prepend(others)
}
