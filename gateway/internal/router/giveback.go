package router

import (
	"context"
	"slices"
	"time"
)

// A source that has ended may have events in the queues of sinks for which it waits. Some
// are given back: whoever runs it next brings them again, in their order.

// waitsFor says whether the source waits for an item.
func (s *source) waitsFor(it item) bool { return it.receipt != nil && it.receipt.of == s }

// withdraw takes back what waits for sinks: the leadership is lost, and who has it now
// brings that as well. A write under way is not cut short; but what is in the hands of a
// worker, or of a sink that is being replaced, is not written any more.
func (s *source) withdraw() {
	s.term.Store(true)
	s.sinks(func(to *sink) {
		to.queue.withdraw(s)
		to.breaker.look() // a worker that waits there gives back what it has in its hands
	})
}

// sinks calls f with the sinks that events of the source may wait for.
func (s *source) sinks(f func(*sink)) {
	parked := func(to *edge) {
		if to != nil {
			f(to.sink)
		}
	}
	s.wiring.use(func(routes []wired) {
		for _, w := range routes {
			w.route.letters.to.use(parked)
			for _, e := range w.to {
				f(e.sink)
				e.sink.letters.to.use(parked)
			}
		}
	})
}

// awaitWrites waits, before the source runs again, for the writes that were under way when the
// leadership was lost. What comes behind them in the next term must not arrive before they have
// failed and their events were brought again. A write ends within the timeout of its sink.
func (s *source) awaitWrites(ctx context.Context) {
	s.mu.Lock()
	s.settled = make(chan struct{})
	s.checkSettled()
	settled, left := s.settled, s.counts.Outstanding
	s.mu.Unlock()
	if left == 0 {
		return
	}
	s.log.Info("waiting for writes under way before it campaigns again", "events", left)
	var longest time.Duration
	s.sinks(func(to *sink) { longest = max(longest, to.spec.Delivery.Timeout.D()) })
	t := time.NewTimer(longest + writeMargin)
	defer t.Stop()
	select {
	case <-settled:
	case <-ctx.Done():
	case <-t.C:
		s.log.Warn("writes of the lost term do not end within their timeout: later events of their keys may overtake them")
	}
}

// writeMargin is how long after its timeout a write may take to end.
const writeMargin = time.Second

// withdrawn says whether an item was emitted under a leadership that is lost.
func (it *item) withdrawn() bool {
	return it.receipt != nil && it.receipt.term != nil && it.receipt.term.Load()
}

func anyWithdrawn(items []item) bool {
	for i := range items {
		if items[i].withdrawn() {
			return true
		}
	}
	return false
}

// leaveOut settles what was withdrawn of items that were taken, and returns the others.
func (q *queue) leaveOut(items []item) []item {
	if !anyWithdrawn(items) {
		return items
	}
	back, kept := split(items, func(it item) bool { return it.withdrawn() })
	q.settle(back, returned)
	finish(back, errNotLeading)
	return kept
}

// late says until when the source of an item, which has ended, waits for it; nil where it
// has not ended.
func (it *item) late() (of *source, until *time.Time) {
	if it.receipt == nil || it.receipt.of == nil {
		return nil, nil
	}
	return it.receipt.of, it.receipt.of.late.Load()
}

// split parts items by what is says of them, each part in order.
func split(items []item, is func(item) bool) (yes, no []item) {
	for _, it := range items {
		if is(it) {
			yes = append(yes, it)
		} else {
			no = append(no, it)
		}
	}
	return yes, no
}

func (q *queue) withdraw(of *source) {
	q.mu.Lock()
	var back []item
	for n := q.head; n < q.tail; n++ {
		if it := q.slot(n); it.ev != nil && of.waitsFor(*it) {
			back = append(back, q.remove(n))
		}
	}
	for _, ln := range q.lines.all() {
		var gone []item
		gone, ln.again = split(ln.again, of.waitsFor)
		for _, it := range gone {
			q.countAside(it, -1)
		}
		back = append(back, gone...)
		q.lineSettled(ln)
	}
	if slices.ContainsFunc(back, func(it item) bool { return it.ev.Joins() }) { // what was behind it may wait for less now
		q.lookAgain()
	}
	q.returned(back, errNotLeading)
}

// giveBack settles as returned what a source waits for that is not to be tried before
// until, with what is behind it: the source has ended, and its successor will bring it again.
func (q *queue) giveBack(of *source, until time.Time) {
	q.mu.Lock()
	var back []item
	behind := false
	for _, ln := range slices.Clone(q.lines.ready) {
		if !ln.due().After(until) {
			continue
		}
		all := q.lines.withThen(nil, ln)
		if slices.ContainsFunc(all, func(ln *line) bool { return q.hasOthers(ln, of) }) {
			continue // another source's must stay in order
		}
		for _, one := range all {
			for q.advance(one) {
				back = append(back, q.takeAside(one))
			}
		}
		behind = behind || len(all) > 1
		q.lineSettled(ln)
	}
	if behind {
		q.lookAgain()
	}
	if len(back) > 0 && q.lines.byKey {
		back = q.withBehind(back, of)
	}
	q.returned(back, errReplaced)
}

// withBehind takes what waits in the ring behind events of a source that are given back, too.
func (q *queue) withBehind(back []item, of *source) []item {
	keys, all := map[string]bool{}, false
	for _, it := range back {
		keys[it.ev.Key] = true
		all = all || it.ev.Joins()
	}
	for n := q.scan; n < q.tail; n++ {
		it := q.slot(n)
		if it.ev == nil || !of.waitsFor(*it) || !all && !keys[it.ev.Key] && !it.ev.Joins() {
			continue
		}
		all = all || it.ev.Joins()
		back = append(back, q.remove(n))
	}
	return back
}

// withThen adds a line, and those that wait for its end, to others.
func (l *lines) withThen(all []*line, ln *line) []*line {
	if slices.Contains(all, ln) {
		return all
	}
	all = append(all, ln)
	for _, next := range l.then[ln] {
		all = l.withThen(all, next)
	}
	return all
}

// hasOthers reports whether a line has events of another source.
func (q *queue) hasOthers(ln *line, of *source) bool {
	return slices.ContainsFunc(ln.again, func(it item) bool { return !of.waitsFor(it) }) ||
		slices.ContainsFunc(ln.behind, func(n uint64) bool { return q.waits(n) && !of.waitsFor(*q.slot(n)) })
}

// returned settles what was taken out of the queue as given back, and unlocks it.
func (q *queue) returned(items []item, why error) {
	q.counts.Returned += uint64(len(items))
	notify(q.putter)
	notify(q.taker) // it may have been closed, and be empty now
	q.mu.Unlock()
	finish(items, why)
}
