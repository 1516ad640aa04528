package websocket

import (
	"cmp"
	"slices"

	"eventgateway/gateway/expr"
)

// maxColumns bounds the fields of an index. A subscription that needs one more is evaluated for each event.
const maxColumns = 16

// index finds the topics for which an event may match, by the values of some fields. Each subscription that compares a
// field with constants, or with claims, is found by one of its sets of terms (see [expr.TermSets]). The cost of an
// event depends on the number of fields and of the topics that it finds, and not on the number of topics.
//
// The history keeps the keys of its events, so that a subscription of a client that resumes is evaluated only for
// events that may match. An index is for one goroutine.
type index struct {
	feeder    int // the number of the feeder
	columns   []*column
	reader    *expr.KeyReader // of the fields of all columns, and their old values
	keys      []expr.Key      // scratch
	unindexed []*topic        // topics that are evaluated for each event
}

// column is one field of an index. The zero field is the channel of the event.
type column struct {
	slot   int
	field  expr.Field
	old    expr.Field // the same field of the old row
	hasOld bool
	since  uint64 // events from this offset on have keys
	topics map[expr.Key][]*topic
}

// keyPair holds the keys of a field of an event, and of the same field of its old row; 0: none.
type keyPair struct{ now, old expr.Key }

// has reports whether one of the keys is k.
func (p keyPair) has(k expr.Key) bool { return p.now == k || p.old == k }

// indexedTerm is a term of a topic.
type indexedTerm struct {
	column *column
	key    expr.Key
}

// add adds a topic. Events from an offset on get keys of fields that are new in the index.
func (x *index) add(t *topic, next uint64) {
	set, ok := x.choose(t)
	if t.indexed = ok; !ok {
		x.unindexed = append(x.unindexed, t)
		return
	}
	slices.SortStableFunc(set, func(a, b expr.Term) int { // those with a column first, so that no other takes its place
		return cmp.Compare(x.slot(a.Field), x.slot(b.Field))
	})
	for _, term := range set {
		c := x.column(term.Field, next)
		t.terms = append(t.terms, indexedTerm{c, term.Key})
		c.topics[term.Key] = append(c.topics[term.Key], t)
	}
}

// remove removes a topic.
func (x *index) remove(t *topic) {
	same := func(o *topic) bool { return o == t }
	if !t.indexed {
		x.unindexed = slices.DeleteFunc(x.unindexed, same)
	}
	for _, term := range t.terms {
		c := term.column
		if c.topics[term.key] = slices.DeleteFunc(c.topics[term.key], same); len(c.topics[term.key]) == 0 {
			delete(c.topics, term.key)
		}
	}
	t.terms = nil
}

// choose returns the set of terms of a topic that is shared with the fewest other topics. ok is false if it has no
// set, or if there is no column for any.
func (x *index) choose(t *topic) (set []expr.Term, ok bool) {
	fewest := 0
	for _, candidate := range t.termSets() {
		shared, fields := 0, map[expr.Field]bool{}
		for _, term := range candidate {
			fields[term.Field] = true
			if c := x.find(term.Field); c != nil {
				shared += len(c.topics[term.Key])
			}
		}
		if x.fits(fields) && (!ok || shared < fewest) {
			set, ok, fewest = candidate, true, shared
		}
	}
	return set, ok
}

// fits reports whether there is a column, or room for one, for each field.
func (x *index) fits(fields map[expr.Field]bool) bool {
	needed := len(fields)
	for _, c := range x.columns {
		if fields[c.field] || len(c.topics) > 0 {
			needed++
		}
		if fields[c.field] {
			needed--
		}
	}
	return needed <= maxColumns
}

// termSets returns the sets of terms of a subscription, those of its rights first.
func (s subscription) termSets() (sets expr.TermSets) {
	sets = append(sets, s.rights.condition.Terms()...)
	sets = append(sets, s.filter.Terms()...)
	if len(s.channels) > 0 {
		var channels []expr.Term
		for _, name := range s.channels {
			channels = append(channels, expr.Term{Key: expr.TextKey([]byte(name))})
		}
		sets = append(sets, channels)
	}
	return sets
}

// slot returns the place of the column of a field, or maxColumns if there is none.
func (x *index) slot(f expr.Field) int {
	if c := x.find(f); c != nil {
		return c.slot
	}
	return maxColumns
}

// find returns the column of a field, or nil.
func (x *index) find(f expr.Field) *column {
	for _, c := range x.columns {
		if c.field == f {
			return c
		}
	}
	return nil
}

// column returns the column of a field, and creates it if there is none. A column without topics remains, for clients
// that come again, until its place is needed.
func (x *index) column(f expr.Field, next uint64) *column {
	if c := x.find(f); c != nil {
		return c
	}
	c := &column{slot: len(x.columns), field: f, since: next, topics: map[expr.Key][]*topic{}}
	c.old, c.hasOld = f.Within("new", "old")
	if len(x.columns) < maxColumns {
		x.columns = append(x.columns, c)
	} else {
		oldest := -1
		for i, o := range x.columns {
			if len(o.topics) == 0 && (oldest < 0 || o.since < x.columns[oldest].since) {
				oldest = i
			}
		}
		c.slot = oldest
		x.columns[oldest] = c
	}
	var fields []expr.Field
	for _, c := range x.columns {
		if c.field != (expr.Field{}) {
			fields = append(fields, c.field)
		}
		if c.hasOld {
			fields = append(fields, c.old)
		}
	}
	x.reader = expr.NewKeyReader(fields)
	return c
}

// read stores the keys of an event in its block, and calls found for each topic for which the event may match. It may
// call found for a topic several times.
func (x *index) read(b *block, i int, p *storedEvent, found func(*topic)) {
	if len(x.columns) > 0 {
		x.keys = x.reader.Read(x.keys[:0], p.Data)
	}
	keys := x.keys
	for _, c := range x.columns {
		var pair keyPair
		if c.field == (expr.Field{}) {
			pair.now = expr.TextKey([]byte(p.Channel))
		} else {
			pair.now, keys = keys[0], keys[1:]
		}
		if c.hasOld {
			pair.old, keys = keys[0], keys[1:]
		}
		b.setKeys(x.feeder, c.slot, i, pair)
		for _, t := range c.topics[pair.now] {
			found(t)
		}
		if pair.old != pair.now {
			for _, t := range c.topics[pair.old] {
				found(t)
			}
		}
	}
	for _, t := range x.unindexed {
		found(t)
	}
}

// setKeys stores the keys of an event for a column.
func (b *block) setKeys(feeder, slot, i int, pair keyPair) {
	for len(b.keys[feeder]) <= slot {
		b.keys[feeder] = append(b.keys[feeder], nil)
	}
	if b.keys[feeder][slot] == nil {
		b.keys[feeder][slot] = make([]keyPair, blockEvents)
	}
	b.keys[feeder][slot][i] = pair
}

// mayMatch reports whether an event of a block may match a topic.
func (f *feeder) mayMatch(t *topic, b *block, i int) bool {
	offset := b.first + uint64(i)
	if !t.indexed || offset > f.matched.Load() {
		return true
	}
	for _, term := range t.terms {
		if offset < term.column.since || b.keys[f.number][term.column.slot][i].has(term.key) {
			return true
		}
	}
	return false
}
