package queue

// push adds one event at the end; the caller has made room.
func (q *Queue) push(it Item) {
	if q.tail-q.head == uint64(len(q.ring)) {
		q.grow()
	}
	*q.slot(q.tail) = it
	q.latest.appended(&it, q.tail)
	q.tail++
	q.inRing++
	q.bytes += cost(it.Event)
	q.latest.compact(q)
}

// pop removes the first event; there must be one.
func (q *Queue) pop() Item {
	q.skipHoles()
	it := q.remove(q.head)
	q.skipHoles()
	return it
}

// remove takes the event with number n out of the ring. It leaves a hole.
func (q *Queue) remove(n uint64) Item {
	slot := q.slot(n)
	it := *slot
	*slot = Item{}
	q.latest.removed(it.Event.Key, n)
	q.inRing--
	if n < q.next {
		q.blocked--
	}
	q.bytes -= cost(it.Event)
	return it
}

func (q *Queue) slot(n uint64) *Item { return &q.ring[n%uint64(len(q.ring))] }

// holds reports whether the event with number n is still in the ring.
func (q *Queue) holds(n uint64) bool { return n >= q.head && q.slot(n).Event != nil }

// skipHoles moves the head to the first event, or to the end.
func (q *Queue) skipHoles() {
	for q.head < q.tail && q.slot(q.head).Event == nil {
		q.head++
	}
	q.next = max(q.next, q.head)
}

// resize moves the events from head to tail into a ring of n slots.
func (q *Queue) resize(n int) {
	ring := make([]Item, n)
	for i := q.head; i < q.tail; i++ {
		ring[i%uint64(n)] = *q.slot(i)
	}
	q.ring = ring
}

// grow makes a free slot in a full ring: by closing the holes where there are many, else by
// doubling.
func (q *Queue) grow() {
	if len(q.ring) > 2*q.inRing {
		q.closeHoles()
		return
	}
	q.resize(2 * len(q.ring))
}

// closeHoles moves all events together, and renumbers them and the gaps between them.
func (q *Queue) closeHoles() {
	free, gaps := q.head, q.gaps
	q.latest.reset() // appended fills it again
	for n := q.head; n < q.tail; n++ {
		for len(gaps) > 0 && gaps[0].at <= n {
			gaps[0].at, gaps = free, gaps[1:]
		}
		it := *q.slot(n)
		if it.Event == nil {
			continue
		}
		*q.slot(n) = Item{}
		*q.slot(free) = it
		q.latest.appended(&it, free)
		free++
	}
	for i := range gaps {
		gaps[i].at = free
	}
	q.tail = free
	q.rescan()
}

// prepend puts events before all others. They may exceed the bounds of the queue.
func (q *Queue) prepend(items []Item) {
	if need := int(q.tail-q.head) + len(items); need > len(q.ring) {
		q.resize(max(need, 2*len(q.ring)))
	}
	for i := range q.gaps { // gaps stand behind what comes back
		q.gaps[i].at = max(q.gaps[i].at, q.head)
	}
	for i := len(items) - 1; i >= 0; i-- {
		it := items[i]
		q.head--
		*q.slot(q.head) = it
		q.inRing++
		q.bytes += cost(it.Event)
		q.latest.prepended(&it, q.head)
	}
	q.rescan()
	wake(q.ready)
}

// rescan forgets which events of the ring are blocked: take looks at all of them again.
func (q *Queue) rescan() {
	q.next, q.blocked = q.head, 0
	q.lanes.reset()
}
