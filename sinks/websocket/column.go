package websocket

import "eventgateway/gateway/expr"

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

// has reports whether one of the keys is k.
func (p keyPair) has(k expr.Key) bool { return p.now == k || p.old == k }

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
