package websocket

import (
	"errors"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// conjunct is a part of the conditions of topics: one of a, b and c in a && b && c. If several topics have it, it is
// evaluated once for an event, and all of them use the result. Many filters may differ only in the value by which the
// index finds them, or in their rights. Then only what differs is evaluated for each topic.
type conjunct struct {
	id        string
	number    uint64 // never used again
	topics    int
	source    expr.Conjunct
	condition expr.Condition // compiled when it is first needed
}

// conjuncts are the conjuncts of all topics of a feeder.
type conjuncts struct {
	byID map[string]*conjunct
	last uint64 // number
}

// add adds the conjuncts of a topic.
func (s *conjuncts) add(t *topic) {
	t.filterParts, t.rightsParts = s.parts(t.filter), s.parts(t.rights.condition)
}

func (s *conjuncts) parts(c expr.Condition) (parts []*conjunct) {
	if s.byID == nil {
		s.byID = map[string]*conjunct{}
	}
	for _, source := range c.Conjuncts() {
		part := s.byID[source.ID]
		if part == nil || source.ID == "" {
			s.last++
			part = &conjunct{id: source.ID, number: s.last, source: source}
			if source.ID != "" {
				s.byID[source.ID] = part
			}
		}
		part.topics++
		parts = append(parts, part)
	}
	return parts
}

// remove removes the conjuncts of a topic.
func (s *conjuncts) remove(t *topic) {
	for _, parts := range [][]*conjunct{t.filterParts, t.rightsParts} {
		for _, part := range parts {
			if part.topics--; part.topics == 0 && s.byID[part.id] == part {
				delete(s.byID, part.id)
			}
		}
	}
	t.filterParts, t.rightsParts = nil, nil
}

// The sides of an event for which a condition is evaluated.
const (
	sideNow = iota
	sideOld // the event with its old row in the place of the new one
	sides
)

// memoBlocks is for how many blocks of the history results are kept: for topics whose turns come later.
const memoBlocks = 2 * roundBlocks

// maxMemo bounds the results that are kept for a block: the number of conjuncts, whose results take 256 bytes each.
const maxMemo = 4096

// memo holds results for the events of a block.
type memo struct {
	block    *block
	results  map[resultKey]*[blockEvents]result
	oldRows  []*event.Event // the events with their old rows, noOldRow where there is none, nil where it is not known
	noOldRow event.Event
}

// resultKey names the results of a conjunct for one side of the events of a block.
type resultKey struct {
	conjunct uint64
	side     int
}

// result is the result of a conjunct for an event.
type result uint8

const (
	resultUnknown result = iota // not evaluated
	resultTrue
	resultFalse
	resultFailed
)

var errShared = errors.New("the evaluation for another subscription has failed")

// memo returns the results for a block.
func (f *feeder) memo(b *block) *memo {
	if m := b.memo[f.number]; m != nil {
		return m
	}
	if len(f.memos) == memoBlocks {
		f.memos[0].block.memo[f.number] = nil
		f.memos = append(f.memos[:0], f.memos[1:]...)
	}
	m := &memo{block: b, results: map[resultKey]*[blockEvents]result{}}
	b.memo[f.number] = m
	f.memos = append(f.memos, m)
	return m
}

// forget removes all results.
func (f *feeder) forget() {
	for _, m := range f.memos {
		m.block.memo[f.number] = nil
	}
	f.memos = nil
}

// evaluation evaluates conditions for an event. With a memo it shares results with the evaluations for other topics.
type evaluation struct {
	*expr.Evaluator
	memo  *memo
	index int // of the event in the block of memo
}

// isTrue reports whether a condition with these conjuncts is true for an event, which is given for the memo by its side.
func (v *evaluation) isTrue(c expr.Condition, parts []*conjunct, side int, e *event.Event) (bool, error) {
	shared := 0
	for _, part := range parts {
		if v.memo == nil || part.topics < 2 {
			continue
		}
		shared++
		if ok, err := v.sharedResult(part, side, e); !ok || err != nil {
			return false, err
		}
	}
	if shared == 0 {
		return v.True(c, e)
	}
	for _, part := range parts {
		if part.topics < 2 {
			if ok, err := v.evaluate(part, e); !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// refutes reports whether a conjunct that several topics have is false for an event.
func (v *evaluation) refutes(parts []*conjunct, e *event.Event) bool {
	for _, part := range parts {
		if v.memo == nil || part.topics < 2 {
			continue
		}
		if ok, err := v.sharedResult(part, sideNow, e); !ok && err == nil {
			return true
		}
	}
	return false
}

// sharedResult returns the result of a conjunct. It evaluates the conjunct only if that was not done for another topic.
func (v *evaluation) sharedResult(part *conjunct, side int, e *event.Event) (bool, error) {
	key := resultKey{part.number, side}
	results := v.memo.results[key]
	if results == nil {
		if len(v.memo.results) >= maxMemo {
			return v.evaluate(part, e)
		}
		results = &[blockEvents]result{}
		v.memo.results[key] = results
	}
	switch results[v.index] {
	case resultTrue, resultFalse:
		return results[v.index] == resultTrue, nil
	case resultFailed:
		return false, errShared
	}
	ok, err := v.evaluate(part, e)
	switch {
	case err != nil:
		results[v.index] = resultFailed
	case ok:
		results[v.index] = resultTrue
	default:
		results[v.index] = resultFalse
	}
	return ok, err
}

// evaluate evaluates a conjunct.
func (v *evaluation) evaluate(part *conjunct, e *event.Event) (ok bool, err error) {
	if part.condition.IsZero() {
		if part.condition, err = part.source.Condition(); err != nil {
			return false, err
		}
		part.source = expr.Conjunct{}
	}
	return v.True(part.condition, e)
}

// oldRow returns the event with its old row in the place of the new one, nil if it has none.
func (v *evaluation) oldRow(e *event.Event) *event.Event {
	m := v.memo
	if m == nil {
		return withOldRow(e)
	}
	if m.oldRows == nil {
		m.oldRows = make([]*event.Event, blockEvents)
	}
	known := &m.oldRows[v.index]
	if *known == nil {
		if *known = withOldRow(e); *known == nil {
			*known = &m.noOldRow
		}
	}
	if *known == &m.noOldRow {
		return nil
	}
	return *known
}
