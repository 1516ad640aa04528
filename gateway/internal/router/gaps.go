package router

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"eventgateway/gateway/plugin"
)

// mark is a gap at a place in the queue: before the event with number at.
type mark struct {
	at  uint64
	gap plugin.Gap
}

// by names the source that brought the gap, "" for the queue itself. Of each there is one
// mark per place, whatever a gap that is passed on says of its origin.
func (m *mark) by() string { return cmp.Or(m.gap.PassedOnBy, m.gap.Source) }

// gap notes a gap before the next event that is put.
func (q *queue) gap(g plugin.Gap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addMark(mark{at: q.tail, gap: g})
	notify(q.taker)
}

// gapAgain puts a gap before what is taken next: one that was taken, and of which the sink was
// not told, or one that stands where it failed.
func (q *queue) gapAgain(g plugin.Gap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addMark(mark{at: q.head, gap: g})
	notify(q.taker)
}

// noteDropped notes a gap where n events were dropped. What was dropped stood before the
// first event that waits, but for drop_newest and latest_per_key: there it stood somewhere
// before the next event that is put.
func (q *queue) noteDropped(n uint64) {
	if q.closed { // who reads the sink is told that it ends
		return
	}
	own := mark{at: q.head, gap: plugin.Gap{Dropped: n, Time: time.Now()}}
	switch q.limit.WhenFull {
	case WhenFullDropNewest:
		own.at = q.tail
	case WhenFullLatestPerKey:
		own.at = q.tail
		own = q.mergeLast(own)
	}
	q.addMark(own)
}

// mergeLast takes the last of the queue's own marks into own, where there are two: so the
// first is told in its time, and there are not as many marks as events.
func (q *queue) mergeLast(own mark) mark {
	first, last := -1, -1
	for i := range q.marks {
		if q.marks[i].by() != "" {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	if first != last {
		own.gap.Dropped += q.marks[last].gap.Dropped
		q.marks = slices.Delete(q.marks, last, last+1)
	}
	return own
}

// addMark keeps marks in order and one per place and source. Marks whose events
// are gone move up to the head, so there are never more than events wait.
func (q *queue) addMark(m mark) {
	i := len(q.marks)
	if i > 0 && m.at > q.head && q.marks[i-1].at <= m.at { // the usual case, in which none moves
		for j := i - 1; j >= 0 && q.marks[j].at == m.at; j-- {
			if q.marks[j].by() == m.by() {
				q.marks[j].gap.Dropped += m.gap.Dropped
				return
			}
		}
		q.marks = append(q.marks, m)
		return
	}
	for i > 0 && q.marks[i-1].at > m.at {
		i--
	}
	marks := slices.Insert(q.marks, i, m)
	kept := marks[:0]
	for _, m := range marks {
		m.at = max(m.at, q.head)
		known := false
		for j := len(kept) - 1; j >= 0 && kept[j].at == m.at && !known; j-- {
			if known = kept[j].by() == m.by(); known {
				kept[j].gap.Dropped += m.gap.Dropped
			}
		}
		if !known {
			kept = append(kept, m)
		}
	}
	clear(marks[len(kept):])
	q.marks = kept
}

// takeMark takes the first mark, with all of its source that stand at the same place. It
// returns their gap.
func (q *queue) takeMark(first mark) *plugin.Gap {
	first.gap.Dropped = 0
	q.marks = slices.DeleteFunc(q.marks, func(m mark) bool {
		same := m.at <= q.scan && m.by() == first.by()
		if same {
			first.gap.Dropped += m.gap.Dropped
		}
		return same
	})
	if first.gap.Dropped > 0 {
		first.gap.Reason, first.gap.ID = q.dropped(first.gap.Dropped), rand.Text()
	}
	return &first.gap
}

// dropped says in words what the queue has dropped.
func (q *queue) dropped(n uint64) string {
	if n == 1 {
		return fmt.Sprintf("the queue was full: 1 event was dropped (%s)", q.dropReason())
	}
	return fmt.Sprintf("the queue was full: %d events were dropped (%s)", n, q.dropReason())
}
