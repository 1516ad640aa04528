package queue

import "eventgateway/gateway/event"

// Offer adds events that no source waits for, if there is room for all of them. It drops nothing and does not block. It reports
// whether the events were added.
func (q *Queue) Offer(events []*event.Event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := q.inRing+q.delayed, 0
	for _, e := range events {
		size += cost(e)
	}
	if q.closed || n > 0 && (n+len(events) > q.cfg.Size || q.bytes+size > int(q.cfg.Bytes)) {
		return false
	}
	for _, e := range events {
		q.counts.In++
		q.push(Item{Event: e, Retry: q.restore(e)})
	}
	wake(q.ready)
	return true
}
