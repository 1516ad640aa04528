package pgverify

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"math"
	"slices"

	"eventgateway/gateway/event"
)

// item is a received event: as a line of JSON, or as an entry of a stream.
type item struct {
	line     []byte // valid until the next item is read
	event    *event.Event
	location func() string // names the item in messages
}

// comparison holds the last state of each key that was received, and compares it with the table.
type comparison struct {
	changes *changeReader
	hasher  hasher
	keys    *keyTable
	partial []columnSet // by keyState.partial; the first is no column

	truncated version // of the latest TRUNCATE that has one
	open      int     // keys that differ
	counts    counts
}

// counts are what a comparison has seen.
type counts struct {
	Events  int `json:"events"`  // of the table
	Repeats int `json:"repeats"` // among them: an event that is not newer than the latest one of its row
	Unknown int `json:"unknown"` // whose operation or key cannot be recognised
	Others  int `json:"other_tables"`

	firstUnknown string
	otherTables  []string // the first of them
}

func newComparison(changes *changeReader) *comparison {
	return &comparison{changes: changes, keys: newKeyTable(), partial: []columnSet{""}}
}

// change returns the change that an item holds.
func (c *comparison) change(one item) (change, error) {
	e := one.event
	if e == nil {
		var err error
		if e, err = c.changes.event(one.line); err != nil {
			return change{}, err
		}
	}
	return c.changes.read(e)
}

// receive adds a received event. It returns an error only where the table cannot be compared.
func (c *comparison) receive(one item) error {
	received, err := c.change(one)
	switch {
	case errors.Is(err, errNestedKey):
		return err
	case errors.Is(err, errOtherTable):
		c.counts.Others++
		if n := len(c.counts.otherTables); n < maxNamed && !slices.Contains(c.counts.otherTables, received.table) {
			c.counts.otherTables = append(c.counts.otherTables, received.table)
		}
	case err != nil:
		if c.counts.Unknown++; c.counts.Unknown == 1 {
			c.counts.firstUnknown = one.location() + ": " + err.Error()
		}
	default:
		c.counts.Events++
		if !c.apply(received) {
			c.counts.Repeats++
		}
	}
	return nil
}

// maxNamed bounds how many other tables are named.
const maxNamed = 3

// apply makes a change, and reports false where the event is older than what it would replace, or the same.
func (c *comparison) apply(received change) bool {
	if !received.version.follows(c.truncated) {
		return false
	}
	if received.operation == "TRUNCATE" {
		c.truncate(received.version)
		return true
	}
	if received.before != nil {
		removed := received
		removed.key, removed.row = []byte(*received.before), nil
		c.set(removed)
	}
	if received.operation == "DELETE" {
		received.row = nil
	}
	return c.set(received)
}

// set sets the state of the key of a change, whose row is nil where there is none now.
func (c *comparison) set(received change) bool {
	n := c.keys.add(received.key)
	k := c.keys.at(n)
	if !received.version.follows(k.version()) {
		return false
	}
	var hash rowHash
	if received.row != nil {
		hash = c.hasher.hash(received.row, received.partial)
	}
	switch {
	case received.version.kind != noVersion:
		k.setVersion(received.version)
	case received.id != "":
		identity := maphash.String(c.keys.seed, received.id) ^ binary.LittleEndian.Uint64(hash[:])
		if identity == k.read {
			return false
		}
		k.read = identity
	}
	k.hash, k.partial = hash, 0
	k.flags &^= present | keyOnly
	if received.row != nil {
		k.flags |= present
		k.partial = c.partialIndex(received.partial)
		if received.keyOnly || received.partial != "" && k.partial == 0 {
			k.flags |= keyOnly
		}
	}
	c.resolve(n)
	return true
}

// partialIndex returns the index of a set of columns, 0 if there are too many sets.
func (c *comparison) partialIndex(set columnSet) uint16 {
	i := slices.Index(c.partial, set)
	if i < 0 && len(c.partial) <= math.MaxUint16 {
		i = len(c.partial)
		c.partial = append(c.partial, set)
	}
	return uint16(max(i, 0))
}

// truncate removes the rows that are not newer than a TRUNCATE.
func (c *comparison) truncate(v version) {
	if v.kind != noVersion {
		c.truncated = v
	}
	for n := range c.keys.count {
		if k := c.keys.at(n); k.has(present) && v.follows(k.version()) {
			k.flags &^= present | keyOnly
			c.resolve(n)
		}
	}
}

// resolve ends the difference of a key for which the state of the table was received since that was read. Later states of
// the table may be on their way then.
func (c *comparison) resolve(n int) {
	switch k := c.keys.at(n); {
	case k.has(extra):
		if !k.has(present) {
			c.mark(k, 0)
		}
	case k.has(missing|different) && k.has(present):
		if k.has(keyOnly) || k.partial == 0 && k.hash == c.keys.expectedHash(n) {
			c.mark(k, 0)
		}
	}
}

// mark sets the difference of a key, and counts the keys that differ.
func (c *comparison) mark(k *keyState, difference keyFlags) {
	if k.has(differs) {
		c.open--
	}
	if k.flags = k.flags&^differs | difference; difference != 0 {
		c.open++
	}
}

// compare compares the row of a key in the table with what was received. row is nil if the table has none. It reports whether
// the key differed before, and the table has another row since.
func (c *comparison) compare(key, row []byte) (changed bool) {
	n := c.keys.add(key)
	k := c.keys.at(n)
	if row == nil {
		changed = k.has(missing | different)
		k.flags &^= compared
		if k.has(present) {
			c.mark(k, extra)
		} else {
			c.mark(k, 0)
		}
		return changed
	}
	k.flags |= compared
	hash := c.hasher.hash(row, "")
	changed = k.has(extra) || k.has(missing|different) && hash != c.keys.expectedHash(n)
	partial := hash
	if k.partial != 0 {
		partial = c.hasher.hash(row, c.partial[k.partial])
	}
	switch {
	case !k.has(present):
		c.mark(k, missing)
	case k.has(keyOnly) || partial == k.hash:
		c.mark(k, 0)
		return changed
	default:
		c.mark(k, different)
	}
	c.keys.setExpected(n, hash)
	return changed
}
