package router

import (
	"slices"

	"eventgateway/gateway/plugin"
)

// mark is a gap at a place in the queue: before the event with number at.
type mark struct {
	at  uint64
	gap plugin.Gap
}

// gap notes a gap before the next event that is put.
func (q *queue) gap(g plugin.Gap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addMark(q.tail, g)
	notify(q.taker)
}

// addMark keeps marks in order and one per place and source. Marks whose events
// are gone move up to the head, so there are never more than events wait.
func (q *queue) addMark(at uint64, g plugin.Gap) {
	i := len(q.marks)
	for i > 0 && q.marks[i-1].at > at {
		i--
	}
	marks := slices.Insert(q.marks, i, mark{at, g})
	kept := marks[:0]
	for _, m := range marks {
		m.at = max(m.at, q.head)
		known := false
		for j := len(kept) - 1; j >= 0 && kept[j].at == m.at && !known; j-- {
			known = kept[j].gap.Source == m.gap.Source
		}
		if !known {
			kept = append(kept, m)
		}
	}
	q.marks = kept
}
