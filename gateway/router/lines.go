package router

import (
	"container/heap"
	"slices"
	"time"
)

// trial is what is known of an event whose delivery has failed.
type trial struct {
	attempts int
	due      time.Time // of the next one
	alone    bool      // in a write of its own: the sink has panicked
}

// line is one event that was tried, or is in a worker's hands, and those which must wait
// for it: the later ones of its key, where events are ordered by key.
type line struct {
	key    string
	named  bool     // others of its key wait
	again  []item   // what has failed, in order
	behind []uint64 // numbers in the ring of those that wait behind; some are gone
	hands  int      // events of it in a worker's hands
	taker  uint64   // the take that has got these
	fresh  []item   // scratch of setAside
	noted  bool     // see conflation
	at     int      // place among ready
}

// due is when something of the line may be written.
func (ln *line) due() time.Time {
	if len(ln.again) > 0 && ln.again[0].trial != nil {
		return ln.again[0].trial.due
	}
	return time.Time{}
}

// lines are those of a queue, which guards them.
type lines struct {
	named map[string]*line
	ready readyLines // those of which nothing is in a worker's hands, by due
	takes uint64     // numbers the takes
}

// of returns the line of a key, or nil.
func (l *lines) of(key string, byKey bool) *line {
	if !byKey || len(l.named) == 0 {
		return nil
	}
	return l.named[key]
}

// make makes the line of an event that has none.
func (l *lines) make(key string, named bool) *line {
	ln := &line{key: key, named: named, at: -1}
	if named {
		l.named[key] = ln
	}
	return ln
}

// join puts an event that is being taken into the line of its key.
func (l *lines) join(it *item) {
	ln := l.named[it.ev.Key]
	if ln == nil {
		ln = l.make(it.ev.Key, true)
	}
	*it = l.held(ln, *it)
}

// held notes that an event of a line is in the hands of the worker that takes.
func (l *lines) held(ln *line, it item) item {
	it.line = ln
	ln.hands++
	ln.taker = l.takes
	return it
}

// settled puts a line to where it belongs, after its events were taken or settled.
func (l *lines) settled(ln *line) {
	if ln.at >= 0 {
		heap.Remove(&l.ready, ln.at)
	}
	switch {
	case ln.hands > 0:
	case len(ln.again)+len(ln.behind) > 0:
		heap.Push(&l.ready, ln)
	case ln.named:
		delete(l.named, ln.key)
	}
}

// due removes the line from ready that may be written first, and returns it; nil where
// none may before now.
func (l *lines) due(now time.Time) *line {
	if len(l.ready) == 0 || l.ready[0].due().After(now) {
		return nil
	}
	return heap.Pop(&l.ready).(*line)
}

// next is when the next line may be written, if there is one.
func (l *lines) next() (at time.Time, waits bool) {
	if len(l.ready) == 0 {
		return at, false
	}
	return l.ready[0].due(), true
}

// all returns the lines that have failed events, those before others that are due earlier.
func (l *lines) all() (out []*line) {
	for _, ln := range l.named {
		if len(ln.again) > 0 {
			out = append(out, ln)
		}
	}
	for _, ln := range l.ready {
		if !ln.named {
			out = append(out, ln)
		}
	}
	slices.SortStableFunc(out, func(a, b *line) int { return a.due().Compare(b.due()) })
	return out
}

// setAside puts events that have failed, or come back, before those of their lines, in
// their order.
func (q *queue) setAside(items []item) {
	var touched []*line
	for _, it := range items {
		ln := it.line
		if ln == nil {
			ln = q.lines.of(it.ev.Key, q.byKey)
		} else {
			ln.hands--
		}
		if ln == nil {
			ln = q.lines.make(it.ev.Key, q.byKey)
		}
		if len(ln.fresh) == 0 {
			touched = append(touched, ln)
		}
		it.line = nil
		ln.fresh = append(ln.fresh, it)
		q.aside++
		q.bytes += cost(it.ev)
	}
	for _, ln := range touched {
		ln.again, ln.fresh = append(ln.fresh, ln.again...), nil
		if len(ln.behind) > 0 {
			q.latest.passed(ln)
		}
		q.lines.settled(ln)
	}
}

// takeAside removes the first event of a line that was set aside. The line is settled by the
// caller.
func (q *queue) takeAside(ln *line) item {
	it := ln.again[0]
	ln.again[0] = item{}
	ln.again = ln.again[1:]
	q.aside--
	q.bytes -= cost(it.ev)
	return it
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
			q.aside++
			q.bytes += cost(it.ev)
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
	for _, it := range items {
		if it.receipt != nil && it.receipt.of != nil {
			if late := it.receipt.of.late.Load(); late != nil {
				q.giveBack(it.receipt.of, *late)
			}
		}
	}
}

// oldest removes the event that waits longest: one that was tried already, if there is one.
func (q *queue) oldest() item {
	if ln := q.lines.tried(); ln != nil {
		it := q.takeAside(ln)
		q.lines.settled(ln)
		return it
	}
	if q.live > 0 {
		return q.pop()
	}
	ln := q.lines.all()[0]
	it := q.takeAside(ln)
	q.lines.settled(ln)
	return it
}

// tried returns the line whose first event is to be tried again next; nil where none is.
func (l *lines) tried() *line {
	for _, ln := range l.ready { // the first, but for what nothing holds back any more
		if len(ln.again) > 0 {
			return ln
		}
	}
	return nil
}

// lookAgain has all that waits in the ring looked at anew, as when it was numbered anew.
func (q *queue) lookAgain() {
	q.scan, q.passed = q.head, 0
	for _, ln := range q.lines.named {
		ln.behind = nil
		q.lines.settled(ln)
	}
}

// readyLines is a heap by due.
type readyLines []*line

func (r readyLines) Len() int           { return len(r) }
func (r readyLines) Less(i, j int) bool { return r[i].due().Before(r[j].due()) }
func (r readyLines) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].at, r[j].at = i, j
}

// Push is part of [heap.Interface].
func (r *readyLines) Push(x any) {
	ln := x.(*line)
	ln.at = len(*r)
	*r = append(*r, ln)
}

// Pop is part of [heap.Interface].
func (r *readyLines) Pop() any {
	old := *r
	ln := old[len(old)-1]
	old[len(old)-1] = nil
	*r = old[:len(old)-1]
	ln.at = -1
	return ln
}
