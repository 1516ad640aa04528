package router

import (
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
	s.wiring.use(func(routes []wired) {
		for _, w := range routes {
			for _, e := range w.to {
				e.sink.queue.withdraw(s)
			}
		}
	})
}

// withdrawn says whether an item was emitted under a leadership that is lost.
func (it *item) withdrawn() bool {
	return it.receipt != nil && it.receipt.term != nil && it.receipt.term.Load()
}

// leaveOut settles what was withdrawn of items that were taken, and returns the others.
func (q *queue) leaveOut(items []item) []item {
	if !slices.ContainsFunc(items, func(it item) bool { return it.withdrawn() }) {
		return items
	}
	var kept, back []item
	for _, it := range items {
		if it.withdrawn() {
			back = append(back, it)
		} else {
			kept = append(kept, it)
		}
	}
	q.settle(back, returned)
	finish(back, errNotLeading)
	return kept
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
		kept := ln.again[:0:0]
		for len(ln.again) > 0 {
			if it := q.takeAside(ln); of.waitsFor(it) {
				back = append(back, it)
			} else {
				kept = append(kept, it)
			}
		}
		for _, it := range kept {
			q.aside++
			q.bytes += cost(it.ev)
		}
		ln.again = kept
		q.lines.settled(ln)
	}
	q.returned(back, errNotLeading)
}

// giveBack settles as returned what a source waits for that is not to be tried before
// until, with what is behind it: the source has ended, and its successor will bring it again.
func (q *queue) giveBack(of *source, until time.Time) {
	q.mu.Lock()
	its := of.waitsFor
	var back []item
	for _, ln := range slices.Clone(q.lines.ready) {
		if !ln.due().After(until) || slices.ContainsFunc(ln.again, func(it item) bool { return !its(it) }) ||
			slices.ContainsFunc(ln.behind, func(n uint64) bool { return q.waits(n) && !its(*q.slot(n)) }) {
			continue // another source's must stay in order
		}
		for q.advance(ln) {
			back = append(back, q.takeAside(ln))
		}
		q.lines.settled(ln)
	}
	q.returned(back, errReplaced)
}

// returned settles what was taken out of the queue as given back, and unlocks it.
func (q *queue) returned(items []item, why error) {
	q.counts.Returned += uint64(len(items))
	notify(q.putter)
	notify(q.taker) // it may have been closed, and be empty now
	q.mu.Unlock()
	finish(items, why)
}
