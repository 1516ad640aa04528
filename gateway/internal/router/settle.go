package router

import (
	"maps"
	"slices"
	"time"
)

// outcome says what became of events that were taken.
type outcome int

const (
	delivered outcome = iota
	deadLettered
	returned
)

// settle counts events that were taken as settled, and lets those go on that wait for
// them. Receipts are the caller's affair: a dead letter takes its receipt along.
func (q *queue) settle(items []item, o outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
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
	for _, it := range items {
		if it.line != nil {
			it.line.hands--
			q.lineSettled(it.line)
		}
	}
	if len(q.lines.ready) > 0 {
		notify(q.taker)
	}
}

// finish tells the receipts of events how they ended.
func finish(items []item, err error) {
	for _, it := range items {
		it.receipt.done(err)
	}
}

// putBack puts events that were taken before all that waits: their write was
// stopped, and somebody else will deliver them. They may exceed the limits.
func (q *queue) putBack(items []item) {
	items = q.leaveOut(items)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.counts.Writing -= uint64(len(items))
	if q.over {
		q.counts.Returned += uint64(len(items))
		finish(items, errStopping)
		return
	}
	inLines, first := split(items, func(it item) bool { return it.line != nil })
	q.setAside(inLines)
	q.prepend(first)
}

// prepend needs the lock.
func (q *queue) prepend(items []item) {
	if need := int(q.tail-q.head) + len(items); need > len(q.ring) {
		q.resize(max(need, 2*len(q.ring)))
	}
	for i := range q.marks { // gaps stand behind what comes back
		q.marks[i].at = max(q.marks[i].at, q.head)
	}
	for _, it := range slices.Backward(items) {
		q.head--
		*q.slot(q.head) = it
		q.live++
		q.bytes += cost(it.ev)
		q.latest.prepended(&it, q.head)
	}
	q.lookAgain()
	notify(q.taker)
}

// empty takes all that waits, without the gaps; they are nobody's any more.
func (q *queue) empty() (items []item) {
	for _, ln := range q.lines.all() {
		for len(ln.again) > 0 {
			items = append(items, q.takeAside(ln))
		}
		ln.behind = nil
		q.lineSettled(ln)
	}
	for q.live > 0 {
		items = append(items, q.pop())
	}
	q.lookAgain()
	return items
}

// returnRest settles everything that waits as returned, and what is put back later.
func (q *queue) returnRest(err error) {
	q.mu.Lock()
	rest := q.empty()
	q.over = true
	q.counts.Returned += uint64(len(rest))
	q.mu.Unlock()
	finish(rest, err)
}

// close lets take drain what waits and then end; later puts are dropped. What waits for
// an attempt later than until stays.
func (q *queue) close(until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		close(q.ended)
	}
	q.closed, q.until = true, until
	notify(q.taker)
	notify(q.putter)
}

// move sends later puts to the successor.
func (q *queue) move() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.moved = true
	notify(q.putter)
}

// handOver gives away everything: what waits, the gaps in between, and the counts.
func (q *queue) handOver() (items []item, gaps []mark, counts QueueCounts) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, gaps, counts = q.empty(), q.marks, q.counts
	q.marks, q.counts = nil, QueueCounts{Dropped: map[string]uint64{}}
	return items, gaps, counts
}

// inherit puts what a predecessor has handed over before all that waits. The
// gaps among it come first: somewhere behind them events may be missing.
func (q *queue) inherit(items []item, gaps []mark) {
	q.mu.Lock()
	back, kept := split(items, func(it item) bool {
		_, late := it.late()
		return late != nil || it.withdrawn()
	})
	q.prepend(kept)
	for _, m := range gaps {
		m.at = q.head
		q.addMark(m)
	}
	q.returned(back, errReplaced)
}

// drained says whether the queue is closed and empty.
func (q *queue) drained() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && q.live+q.aside == 0
}

// finished says whether the queue is closed, and nothing in it can be taken in time.
func (q *queue) finished() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	next, waits := q.lines.next()
	return q.closed && q.live == q.passed && len(q.marks) == 0 && (!waits || next.After(q.until))
}

func (q *queue) snapshot() QueueCounts {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.counts
	c.Dropped = maps.Clone(q.counts.Dropped)
	c.Queued, c.QueuedBytes = uint64(q.live+q.aside), uint64(q.bytes)
	c.Retrying, c.HeldBack = uint64(q.aside), uint64(q.passed)
	return c
}
