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
	channels  int // the number of channels of an event
	columns   []*column
	reader    *expr.KeyReader // of the fields of all columns, and their old values
	keys      []expr.Key      // scratch
	unindexed []*topic        // topics that are evaluated for each event
}

// term is an equality of a column with a key.
type term struct {
	columnName
	key expr.Key
}

// indexedTerm is a term of a topic.
type indexedTerm struct {
	column *column
	key    expr.Key
	at     int32 // its place among the topics of the key
}

// indexedTopic is a topic with a key, and the number of its term that has the key.
type indexedTopic struct {
	*topic
	term int
}

// add adds a topic. Events from an offset on get keys of fields that are new in the index.
func (x *index) add(t *topic, next uint64) {
	set, ok := x.choose(t)
	if t.indexed = ok; !ok {
		x.unindexed = append(x.unindexed, t)
		return
	}
	slices.SortStableFunc(set, func(a, b term) int { // those with a column first, so that no other takes its place
		return cmp.Compare(x.slot(a.columnName), x.slot(b.columnName))
	})
	for _, term := range set {
		c := x.column(term.columnName, next)
		topics := c.topics[term.key]
		c.topics[term.key] = append(topics, indexedTopic{t, len(t.terms)})
		t.terms = append(t.terms, indexedTerm{c, term.key, int32(len(topics))})
	}
}

// remove removes a topic. Its time does not depend on the number of topics with the same keys.
func (x *index) remove(t *topic) {
	if !t.indexed {
		x.unindexed = slices.DeleteFunc(x.unindexed, func(o *topic) bool { return o == t })
	}
	for _, term := range t.terms {
		topics := term.column.topics[term.key]
		last := len(topics) - 1
		moved := topics[last]
		topics[term.at], moved.terms[moved.term].at = moved, term.at
		topics[last] = indexedTopic{}
		if term.column.topics[term.key] = topics[:last]; last == 0 {
			delete(term.column.topics, term.key)
		}
	}
	t.terms = nil
}

// choose returns the set of terms of a topic that is shared with the fewest other topics. ok is false if the
// topic has no set, or if the index has no room for the columns of any set.
func (x *index) choose(t *topic) (set []term, ok bool) {
	fewest := 0
	for _, candidate := range t.termSets(x.channels) {
		shared, needed := 0, map[columnName]bool{}
		for _, term := range candidate {
			needed[term.columnName] = true
			if c := x.find(term.columnName); c != nil {
				shared += len(c.topics[term.key])
			}
		}
		if x.fits(needed) && (!ok || shared < fewest) {
			set, ok, fewest = candidate, true, shared
		}
	}
	return set, ok
}

// fits reports whether there is a column, or room for one, for each name.
func (x *index) fits(names map[columnName]bool) bool {
	used := len(names)
	for _, c := range x.columns {
		if len(c.topics) > 0 && !names[c.columnName] {
			used++
		}
	}
	return used <= maxColumns
}

// termSets returns the sets of terms of a subscription, those of its rights first. channels is the number of channels of
// an event.
func (s subscription) termSets(channels int) (sets [][]term) {
	for _, set := range slices.Concat(s.rights.condition.Terms(), s.filter.Terms()) {
		terms := []term{}
		for _, t := range set {
			if !t.Channel {
				terms = append(terms, term{columnName{field: t.Field}, t.Key})
				continue
			}
			for i := range channels {
				terms = append(terms, term{columnName{channel: i + 1}, t.Key})
			}
		}
		sets = append(sets, terms)
	}
	if len(s.channels) > 0 && !s.hasWildcard() {
		var terms []term
		for _, name := range s.channels {
			for i := range channels {
				terms = append(terms, term{columnName{channel: i + 1}, expr.TextKey([]byte(name))})
			}
		}
		sets = append(sets, terms)
	}
	return sets
}

// slot returns the place of a column, or maxColumns if there is none.
func (x *index) slot(name columnName) int {
	if c := x.find(name); c != nil {
		return c.slot
	}
	return maxColumns
}

// find returns the column with a name, or nil.
func (x *index) find(name columnName) *column {
	for _, c := range x.columns {
		if c.columnName == name {
			return c
		}
	}
	return nil
}

// column returns the column with a name, and creates it if there is none. A column without topics remains, for clients
// that come again, until its place is needed.
func (x *index) column(name columnName, next uint64) *column {
	if c := x.find(name); c != nil {
		return c
	}
	c := &column{columnName: name, slot: len(x.columns), since: next, topics: map[expr.Key][]indexedTopic{}}
	c.old, c.hasOld = name.field.Within("new", "old")
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
		if c.channel == 0 {
			fields = append(fields, c.field)
		}
		if c.hasOld {
			fields = append(fields, c.old)
		}
	}
	x.reader = expr.NewKeyReader(fields)
	return c
}
