package spool

import (
	"encoding/binary"
	"maps"
	"slices"
)

// relations are the latest relation and type messages of pgoutput, by key. The server sends each once in a session, before
// its first use, and again when it has changed.
type relations map[uint64]Record

// relationKey returns the key of a relation or type message. Types sort before relations, as the server sends them.
func relationKey(data []byte) (key uint64, ok bool) {
	if len(data) < 5 || data[0] != 'R' && data[0] != 'Y' {
		return 0, false
	}
	key = uint64(binary.BigEndian.Uint32(data[1:])) // the oid
	if data[0] == 'R' {
		key |= 1 << 32
	}
	return key, true
}

// add adds a message of the stream, if it is a relation or type message.
func (r *relations) add(data []byte) {
	key, ok := relationKey(data)
	if !ok {
		return
	}
	if *r == nil {
		*r = relations{}
	}
	(*r)[key] = Record{Data: slices.Clone(data)}
}

// merge adds the messages of a transaction that has become complete.
func (r *relations) merge(others relations) {
	if *r == nil {
		*r = others
		return
	}
	maps.Copy(*r, others)
}

// inOrder returns the types and then the relations, each in order of the oid.
func (r relations) inOrder() (records []Record) {
	for _, key := range slices.Sorted(maps.Keys(r)) {
		records = append(records, r[key])
	}
	return records
}
