package websocket

import (
	"slices"

	"eventgateway/gateway/expr"
)

// columnName is the field of a column, or the number of the channel from 1.
type columnName struct {
	field   expr.Field
	channel int
}

// column is one field of an index, or one of the channels of events.
type column struct {
	columnName
	slot   int
	old    expr.Field // the same field of the old row
	hasOld bool
	since  uint64 // events from this offset on have keys
	topics map[expr.Key][]indexedTopic
}

// keyPair holds the keys of a field of an event, and of the same field of its old row; 0: none.
type keyPair struct{ now, old expr.Key }

// read stores the keys of an event in its block, and calls found for each topic for which the event may match. It may
// call found for a topic several times.
func (x *index) read(b *block, i int, p *storedEvent, found func(*topic)) {
	if len(x.columns) > 0 {
		x.keys = x.reader.Read(x.keys[:0], p.Data)
	}
	keys := x.keys
	for _, c := range x.columns {
		var pair keyPair
		if c.channel > 0 {
			pair = p.channelKeys(c.channel - 1)
		} else {
			pair.now, keys = keys[0], keys[1:]
		}
		if c.hasOld {
			pair.old, keys = keys[0], keys[1:]
		}
		b.setKeys(x.feeder, c.slot, i, pair)
		for _, t := range c.topics[pair.now] {
			found(t.topic)
		}
		if pair.old != pair.now {
			for _, t := range c.topics[pair.old] {
				found(t.topic)
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

// columnKeys are the keys of a topic for a column, sorted.
type columnKeys struct {
	column *column
	keys   []expr.Key
}

// columnKeys returns the keys of the topic by column.
func (t *topic) columnKeys() (all []columnKeys) {
	places := map[*column]int{}
	for _, term := range t.terms {
		at, ok := places[term.column]
		if !ok {
			at = len(all)
			places[term.column] = at
			all = append(all, columnKeys{column: term.column})
		}
		all[at].keys = append(all[at].keys, term.key)
	}
	for _, k := range all {
		slices.Sort(k.keys)
	}
	return all
}

// mayMatch reports whether an event of a block may match a topic, whose keys are given.
func (f *feeder) mayMatch(t *topic, all []columnKeys, b *block, i int) bool {
	offset := b.first + uint64(i)
	if !t.indexed || offset > f.matched.Load() {
		return true
	}
	for _, k := range all {
		if offset < k.column.since {
			return true
		}
		pair := b.keys[f.number][k.column.slot][i]
		if _, found := slices.BinarySearch(k.keys, pair.now); found {
			return true
		}
		if _, found := slices.BinarySearch(k.keys, pair.old); found {
			return true
		}
	}
	return false
}
