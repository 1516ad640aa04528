package router

// setAside puts events that have failed, or come back, before those of their lines, in
// their order.
func (q *queue) setAside(items []item) {
	var touched []*line
	for _, it := range items {
		ln := it.line
		if ln == nil {
			ln = q.lines.of(it.ev, it.ev.Joins())
		} else {
			ln.hands--
		}
		if ln == nil {
			ln = q.lines.make(it.ev, it.ev.Joins())
		}
		if len(ln.fresh) == 0 {
			touched = append(touched, ln)
		}
		it.line = nil
		ln.fresh = append(ln.fresh, it)
		q.countAside(it, 1)
	}
	for _, ln := range touched {
		ln.again, ln.fresh = append(ln.fresh, ln.again...), nil
		if len(ln.behind) > 0 {
			q.latest.passed(ln)
		}
		q.lineSettled(ln)
	}
}

// takeAside removes the first event of a line that was set aside. The line is settled by the
// caller.
func (q *queue) takeAside(ln *line) item {
	it := ln.again[0]
	ln.again[0] = item{}
	ln.again = ln.again[1:]
	q.countAside(it, -1)
	return it
}

// takeFirst removes the first event of a line for good.
func (q *queue) takeFirst(ln *line) item {
	it := q.takeAside(ln)
	q.lineSettled(ln)
	return it
}

// countAside counts an event that comes to those set aside, with 1, or goes, with -1.
func (q *queue) countAside(it item, n int) {
	q.aside += n
	q.bytes += n * cost(it.ev)
}

// advance says whether something is in a line: where all that was set aside is gone, the
// next one that waits behind is.
func (q *queue) advance(ln *line) bool {
	for len(ln.again) == 0 && len(ln.behind) > 0 {
		n := ln.behind[0]
		ln.behind = ln.behind[1:]
		if q.waits(n) {
			it := q.remove(n)
			ln.again = []item{it}
			q.countAside(it, 1)
		}
	}
	return len(ln.again) > 0
}

// waits says whether the event with number n is still in the ring.
func (q *queue) waits(n uint64) bool { return n >= q.head && q.slot(n).ev != nil }

// hold puts back events that were taken and have failed: each waits for its own next
// attempt, and what is behind it waits with it.
func (q *queue) hold(items []item) {
	items = q.leaveOut(items)
	q.mu.Lock()
	q.counts.Writing -= uint64(len(items))
	q.setAside(items)
	notify(q.taker)
	q.mu.Unlock()
	var told *source
	for i := range items {
		if of, late := items[i].late(); late != nil && of != told {
			q.giveBack(of, *late)
			told = of
		}
	}
}

// oldest removes the event that waits longest: one that was tried already, if there is one.
func (q *queue) oldest() item {
	ln := q.lines.tried()
	switch {
	case ln == nil && q.live > 0:
		return q.pop()
	case ln == nil:
		ln = q.lines.all()[0]
	}
	return q.takeFirst(ln)
}

// lookAgain has all that waits in the ring looked at anew, as when it was numbered anew.
func (q *queue) lookAgain() {
	q.scan, q.passed = q.head, 0
	q.lines.renew()
}
