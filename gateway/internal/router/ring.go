package router

// push adds one event at the end; the caller has made room.
func (q *queue) push(it item) {
	if q.tail-q.head == uint64(len(q.ring)) {
		q.widen()
	}
	*q.slot(q.tail) = it
	q.latest.added(&it, q.tail)
	q.tail++
	q.live++
	q.bytes += cost(it.ev)
	q.forgetGone()
}

// pop removes the first waiting event; there must be one.
func (q *queue) pop() item {
	q.skipHoles()
	it := q.remove(q.head)
	q.skipHoles()
	return it
}

// remove takes the event with number n out of its place.
func (q *queue) remove(n uint64) item {
	slot := q.slot(n)
	it := *slot
	*slot = item{}
	q.latest.removed(it.ev.Key, n)
	q.live--
	if n < q.scan {
		q.passed--
	}
	q.bytes -= cost(it.ev)
	return it
}

func (q *queue) slot(n uint64) *item { return &q.ring[n%uint64(len(q.ring))] }

// skipHoles moves the head to the first waiting event, or to the end.
func (q *queue) skipHoles() {
	for q.head < q.tail && q.slot(q.head).ev == nil {
		q.head++
	}
	q.scan = max(q.scan, q.head)
}

// resize moves the events from head to tail into a ring of n places.
func (q *queue) resize(n int) {
	bigger := make([]item, n)
	for i := q.head; i < q.tail; i++ {
		bigger[i%uint64(n)] = *q.slot(i)
	}
	q.ring = bigger
}

// widen makes place in a ring that has none: by closing the holes where these are
// many, else by doubling.
func (q *queue) widen() {
	if len(q.ring) > 2*q.live {
		q.closeHoles()
		return
	}
	q.resize(2 * len(q.ring))
}

// closeHoles moves all events up and numbers them, and the gaps between them, anew.
func (q *queue) closeHoles() {
	next, marks := q.head, q.marks
	if q.latest.newest != nil {
		q.latest.newest, q.latest.overtaken = map[string]uint64{}, nil // added says it anew
	}
	for n := q.head; n < q.tail; n++ {
		for len(marks) > 0 && marks[0].at <= n {
			marks[0].at, marks = next, marks[1:]
		}
		it := *q.slot(n)
		if it.ev == nil {
			continue
		}
		*q.slot(n) = item{}
		*q.slot(next) = it
		q.latest.added(&it, next)
		next++
	}
	for i := range marks {
		marks[i].at = next
	}
	q.tail = next
	q.lookAgain()
}
