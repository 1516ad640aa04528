package pgjson

import (
	"fmt"
	"slices"
)

// A Types is a cache of PostgreSQL's types. Its methods are not safe for concurrent use.
type Types struct {
	known   map[uint32]*dataType // by OID; a domain has the entry of its base type
	scratch []byte               // texts without their quotes: a stack, whose top belongs to the innermost value
}

// maxScratch is how many bytes of scratch are reused for the next value.
const maxScratch = 1 << 20

// kind is how values of a type are written.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindNumber
	kindTimestamp
	kindTimestampTZ
	kindJSON
	kindArray
	kindVector // an array whose text is a list with spaces: int2vector and oidvector
	kindComposite
)

type dataType struct {
	name       string // for errors
	kind       kind
	inexact    bool        // whether row_to_json may write something else than a string
	delimiter  byte        // between elements of an array of this type
	element    *dataType   // of an array or a vector
	attributes []attribute // of a composite
}

// attribute is an attribute of a composite type.
type attribute struct {
	key      []byte // "name": as JSON
	dataType *dataType
}

// NewTypes returns a cache without types.
func NewTypes() *Types { return &Types{known: map[uint32]*dataType{}} }

// Loaded reports whether the type with this OID is in the cache.
func (t *Types) Loaded(oid uint32) bool { return t.known[oid] != nil }

// Reset removes all types from the cache. Call it when types may have changed, and then Load.
func (t *Types) Reset() { clear(t.known) }

// Inexact returns the names of the types, among all that the type consists of, whose values Append writes as strings
// while row_to_json writes something else: most have a function as their cast to json. It returns
// none for a type that is not loaded.
func (t *Types) Inexact(oid uint32) (names []string) {
	seen := map[*dataType]bool{nil: true}
	var visit func(d *dataType)
	visit = func(d *dataType) {
		if seen[d] {
			return
		}
		seen[d] = true
		if d.inexact {
			names = append(names, d.name)
		}
		visit(d.element)
		for _, a := range d.attributes {
			visit(a.dataType)
		}
	}
	visit(t.known[oid])
	slices.Sort(names)
	return names
}

// Append appends to dst the JSON of a value of the type with this OID. text is the value in text format; for NULL the
// caller writes null. Append keeps no reference to text. It returns dst and an error if the type is not loaded, if the
// text is malformed, or if it has more fields than its composite type has attributes. Too many
// fields mean that the type has changed since Load. Malformed text can mean that, too.
func (t *Types) Append(dst []byte, oid uint32, text []byte) ([]byte, error) {
	d := t.known[oid]
	if d == nil {
		return dst, fmt.Errorf("cannot write a value of the type with OID %d: the type is not loaded: call Load first", oid)
	}
	out, err := t.append(dst, d, text)
	if err != nil {
		t.scratch = t.scratch[:0]
		return dst, err
	}
	if cap(t.scratch) > maxScratch {
		t.scratch = nil
	}
	return out, nil
}

func (t *Types) append(dst []byte, d *dataType, text []byte) ([]byte, error) {
	ok := true
	switch d.kind {
	case kindNumber:
		return appendNumber(dst, text), nil
	case kindBool:
		dst, ok = appendBool(dst, text)
	case kindTimestamp, kindTimestampTZ:
		dst, ok = appendTimestamp(dst, text, d.kind == kindTimestampTZ)
	case kindJSON:
		dst, ok = append(dst, text...), len(text) > 0
	case kindArray:
		return t.appendArray(dst, d, text)
	case kindVector:
		return t.appendVector(dst, d, text)
	case kindComposite:
		return t.appendComposite(dst, d, text)
	default:
		return AppendString(dst, text), nil
	}
	if !ok {
		return dst, d.malformed()
	}
	return dst, nil
}

// malformed returns the error for text that no value of the type has in a session with pgconn.RowSettings.
func (d *dataType) malformed() error {
	return fmt.Errorf("cannot write a value of the type %s as JSON: its text is malformed: apply pgconn.RowSettings to the session", d.name)
}
