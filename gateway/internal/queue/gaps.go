package queue

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"eventgateway/gateway/plugin"
)

// gapMark is a gap at a place in the queue: before the event with number at.
type gapMark struct {
	at  uint64
	gap plugin.Gap
}

// source names the source that brought the gap, "" for the queue itself. The queue keeps one mark per place and
// source, whatever a gap that is passed on says of its origin.
func (m *gapMark) source() string { return cmp.Or(m.gap.ForwardedBy, m.gap.Source) }

// PutGap puts a gap behind the events that wait.
func (q *Queue) PutGap(g plugin.Gap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addMark(gapMark{at: q.tail, gap: g})
	wake(q.ready)
}

// ForgetGaps removes the gaps that wait: the sink gets what is missing there in another way.
func (q *Queue) ForgetGaps() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gaps = nil
}

// PutGapFirst puts a gap before the events that wait: one that was taken and not delivered, or that of an event
// which was parked.
func (q *Queue) PutGapFirst(g plugin.Gap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addMark(gapMark{at: q.head, gap: g})
	wake(q.ready)
}

// markDropped puts a gap where n events were dropped: before the first event that waits, or, with drop_newest and
// latest_per_key, before the next event that is put.
func (q *Queue) markDropped(n uint64) {
	if q.closed { // the readers of the sink see that it ends
		return
	}
	own := gapMark{at: q.head, gap: plugin.Gap{Dropped: n, Time: time.Now()}}
	switch q.cfg.WhenFull {
	case WhenFullDropNewest:
		own.at = q.tail
	case WhenFullLatestPerKey:
		own.at = q.tail
		own = q.mergeLastOwn(own)
	}
	q.addMark(own)
}

// mergeLastOwn merges the last of the queue's own marks into own, where there are two. So the
// first is delivered in its time, and there are not as many marks as dropped events.
func (q *Queue) mergeLastOwn(own gapMark) gapMark {
	first, last := -1, -1
	for i := range q.gaps {
		if q.gaps[i].source() != "" {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	if first != last {
		own.gap.Dropped += q.gaps[last].gap.Dropped
		q.gaps = slices.Delete(q.gaps, last, last+1)
	}
	return own
}

// addMark keeps marks in order, and one per place and source. Marks whose events
// are gone move up to the head, so there are never more marks than events.
func (q *Queue) addMark(m gapMark) {
	i := len(q.gaps)
	if i > 0 && m.at > q.head && q.gaps[i-1].at <= m.at { // the usual case: no mark moves
		for j := i - 1; j >= 0 && q.gaps[j].at == m.at; j-- {
			if q.gaps[j].source() == m.source() {
				q.gaps[j].gap.Dropped += m.gap.Dropped
				return
			}
		}
		q.gaps = append(q.gaps, m)
		return
	}
	for i > 0 && q.gaps[i-1].at > m.at {
		i--
	}
	marks := slices.Insert(q.gaps, i, m)
	kept := marks[:0]
	for _, m := range marks {
		m.at = max(m.at, q.head)
		known := false
		for j := len(kept) - 1; j >= 0 && kept[j].at == m.at && !known; j-- {
			if known = kept[j].source() == m.source(); known {
				kept[j].gap.Dropped += m.gap.Dropped
			}
		}
		if !known {
			kept = append(kept, m)
		}
	}
	clear(marks[len(kept):])
	q.gaps = kept
}

// takeMark removes the first mark, with all of its source at the same place. It
// returns their gap.
func (q *Queue) takeMark(first gapMark) *plugin.Gap {
	first.gap.Dropped = 0
	q.gaps = slices.DeleteFunc(q.gaps, func(m gapMark) bool {
		same := m.at <= q.next && m.source() == first.source()
		if same {
			first.gap.Dropped += m.gap.Dropped
		}
		return same
	})
	if first.gap.Dropped > 0 {
		first.gap.Reason, first.gap.ID = q.droppedReason(first.gap.Dropped), rand.Text()
	}
	return &first.gap
}

// droppedReason returns the reason of a gap where the queue has dropped n events.
func (q *Queue) droppedReason(n uint64) string {
	if n == 1 {
		return fmt.Sprintf("the queue was full: 1 event was dropped (%s)", q.dropReason())
	}
	return fmt.Sprintf("the queue was full: %d events were dropped (%s)", n, q.dropReason())
}
