package pgverify

import (
	"encoding/binary"
	"hash/maphash"
)

// keyState is the state of one key. Its size bounds how many rows fit into memory.
type keyState struct {
	hash    rowHash // of the row that was received last
	key     uint64  // place of the text
	number  uint64  // with index, time and kind: the version of the latest event that has one
	time    int64
	read    uint64 // identifies the latest event without a version that had an ID, and its row
	index   uint32
	partial uint16 // columns that are not compared: an index into comparison.partial
	kind    versionKind
	flags   keyFlags
}

type keyFlags uint8

const (
	present   keyFlags = 1 << iota // a row was received, and no DELETE after it
	keyOnly                        // of the row, only the key was received
	compared                       // the table has a row, which was compared
	missing                        // differences: in the table, not received
	extra                          // received, not in the table
	different                      // both, and not equal
)

const differs = missing | extra | different

func (k *keyState) has(f keyFlags) bool { return k.flags&f != 0 }

func (k *keyState) version() version { return version{k.time, k.number, k.index, k.kind} }

func (k *keyState) setVersion(v version) {
	k.time, k.number, k.index, k.kind = v.time, v.number, v.index, v.kind
}

// keyTable holds the states of keys in little memory: about 70 bytes and the key's text for each. It is a hash table whose entries,
// and the texts of the keys, are in blocks that never move.
type keyTable struct {
	slots  []uint32 // number of the key + 1; 0 is free
	seed   maphash.Seed
	states [][]keyState
	texts  [][]byte
	// expected holds the hash of the row in the table, for the blocks of states in which a key differs.
	expected [][]rowHash
	count    int
}

const (
	statesBlock = 1 << 12
	textsBlock  = 1 << 16
)

func newKeyTable() *keyTable {
	return &keyTable{slots: make([]uint32, 1024), seed: maphash.MakeSeed()}
}

// at returns the state of the key with a number.
func (t *keyTable) at(n int) *keyState { return &t.states[n/statesBlock][n%statesBlock] }

// text returns the text of the key with a number.
func (t *keyTable) text(n int) []byte {
	place := t.at(n).key
	block := t.texts[place>>32][uint32(place):]
	size, head := binary.Uvarint(block)
	return block[head : head+int(size)]
}

// find returns the number of a key, -1 if it is not there.
func (t *keyTable) find(key []byte) int {
	n, _ := t.lookup(key)
	return n
}

func (t *keyTable) lookup(key []byte) (n int, slot uint64) {
	mask := uint64(len(t.slots) - 1)
	for slot = maphash.Bytes(t.seed, key) & mask; t.slots[slot] != 0; slot = (slot + 1) & mask {
		if n := int(t.slots[slot] - 1); string(t.text(n)) == string(key) {
			return n, slot
		}
	}
	return -1, slot
}

// add returns the number of a key, which it adds if it is not there.
func (t *keyTable) add(key []byte) int {
	n, slot := t.lookup(key)
	if n >= 0 {
		return n
	}
	if t.count%statesBlock == 0 {
		t.states, t.expected = append(t.states, make([]keyState, statesBlock)), append(t.expected, nil)
	}
	n = t.count
	t.count++
	t.slots[slot] = uint32(t.count)
	t.at(n).key = t.store(key)
	if t.count > len(t.slots)/4*3 {
		t.grow()
	}
	return n
}

// store appends a text to the blocks, and returns its place.
func (t *keyTable) store(key []byte) uint64 {
	last := len(t.texts) - 1
	if need := binary.MaxVarintLen64 + len(key); last < 0 || cap(t.texts[last])-len(t.texts[last]) < need {
		t.texts = append(t.texts, make([]byte, 0, max(textsBlock, need)))
		last++
	}
	begin := len(t.texts[last])
	t.texts[last] = append(binary.AppendUvarint(t.texts[last], uint64(len(key))), key...)
	return uint64(last)<<32 | uint64(begin)
}

func (t *keyTable) grow() {
	t.slots = make([]uint32, 2*len(t.slots))
	mask := uint64(len(t.slots) - 1)
	for n := range t.count {
		slot := maphash.Bytes(t.seed, t.text(n)) & mask
		for t.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		t.slots[slot] = uint32(n + 1)
	}
}

// setExpected records the hash of a row in the table.
func (t *keyTable) setExpected(n int, hash rowHash) {
	block := &t.expected[n/statesBlock]
	if *block == nil {
		*block = make([]rowHash, statesBlock)
	}
	(*block)[n%statesBlock] = hash
}

// expectedHash returns what setExpected has recorded, the zero hash if nothing was.
func (t *keyTable) expectedHash(n int) rowHash {
	if block := t.expected[n/statesBlock]; block != nil {
		return block[n%statesBlock]
	}
	return rowHash{}
}
