package expr

import (
	"cmp"
	"slices"
)

// minSet is the smallest number of constants of a list that becomes a set.
const minSet = 8

// inSet is the clause left in set. The time of an evaluation hardly depends on the number of constants: a token may have
// thousands of tenants.
type inSet struct {
	left clause
	set  *constantSet
}

// constantSet is a list of constants, sorted by key. It is compact: a token's list is held for as long as its client.
type constantSet struct {
	keys         []Key
	kinds        []kind
	ends         []uint32 // of the texts, in text
	text         []byte
	has          [mapping + 1]bool // kinds of the items
	incomparable bool              // an item equals nothing: a comparison with it is unknown
}

// newConstantSet returns the set of a list of constants.
func newConstantSet(items []value) *constantSet {
	type keyed struct {
		key Key
		value
	}
	s, sorted := &constantSet{}, make([]keyed, 0, len(items))
	size := 0
	for _, item := range items {
		s.has[item.kind] = true
		_, isNumber := compareNumbers(item.text, item.text)
		if item.kind < boolean || item.kind > textual || item.kind == numeric && !isNumber {
			s.incomparable = true
			continue
		}
		if item.kind == boolean {
			item.text = toText(item).text
		}
		sorted = append(sorted, keyed{item.key(), item})
		size += len(item.text)
	}
	slices.SortStableFunc(sorted, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	s.keys, s.kinds, s.ends, s.text = make([]Key, len(sorted)), make([]kind, len(sorted)), make([]uint32, len(sorted)), make([]byte, 0, size)
	for i, item := range sorted {
		s.text = append(s.text, item.text...)
		s.keys[i], s.kinds[i], s.ends[i] = item.key, item.kind, uint32(len(s.text))
	}
	return s
}

// item returns the item with a number.
func (s *constantSet) item(i int) value {
	from := uint32(0)
	if i > 0 {
		from = s.ends[i-1]
	}
	v := value{kind: s.kinds[i], text: s.text[from:s.ends[i]]}
	if v.kind == boolean {
		v = boolValue(string(v.text) == "true")
	}
	return v
}

// contains has the same result as [contained] with the list.
func (s *constantSet) contains(v value) value {
	if v.kind == unknown || v.kind == null {
		return value{}
	}
	k := v.key()
	at, _ := slices.BinarySearch(s.keys, k)
	for ; k != 0 && at < len(s.keys) && s.keys[at] == k; at++ {
		if e := equals(v, s.item(at)); e.is(true) {
			return e
		}
	}
	if s.incomparable {
		return value{}
	}
	for of, has := range s.has { // a comparison with another kind is unknown
		if has && kind(of) != v.kind {
			return value{}
		}
	}
	if _, ok := compareNumbers(v.text, v.text); v.kind == numeric && s.has[numeric] && !ok {
		return value{}
	}
	return boolValue(false)
}

func (c inSet) value(s *ruleState) value { return c.set.contains(c.left.value(s)) }
