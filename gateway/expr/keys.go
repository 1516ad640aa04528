package expr

import (
	"encoding/json"
	"hash/maphash"
	"math"
	"strconv"

	"eventgateway/gateway/rawjson"
)

// Field is a chain of members of the payload, such as order.customer_id. It is comparable: equal fields are one
// field of the payload.
type Field struct{ path string } // a JSON array of names and indexes

// fieldOf returns the field of steps below the payload. ok is false for the payload as a whole.
func fieldOf(steps []step) (f Field, ok bool) {
	path := make([]any, len(steps))
	for i, s := range steps {
		path[i] = s.property()
	}
	text, err := json.Marshal(path)
	return Field{string(text)}, err == nil && len(steps) > 0
}

// parse returns the names and indexes of the field. An index is a float64.
func (f Field) parse() (path []any) {
	_ = json.Unmarshal([]byte(f.path), &path) // fieldOf has written it
	return path
}

// Within returns the field with the same path below another top-level field, if f is a part of the top-level field
// from.
func (f Field) Within(from, to string) (g Field, ok bool) {
	path := f.parse()
	if len(path) < 2 || path[0] != from {
		return f, false
	}
	path[0] = to
	text, err := json.Marshal(path)
	return Field{string(text)}, err == nil
}

// Key is a hash of a value. Equal values have equal keys, by each way in which rules and filters compare: 7, 7.0 and
// "7" have the same key, and so have true and "true". Different values rarely do. 0 is the key of values that equal
// nothing, such as null, a list or an object. Keys differ between processes.
type Key uint32

var keySeed = maphash.MakeSeed()

// TextKey returns the key of a text.
func TextKey(text []byte) Key {
	if len(text) > 0 && (text[0] == '-' || '0' <= text[0] && text[0] <= '9') {
		if f, err := strconv.ParseFloat(string(text), 64); err == nil || f != 0 { // it is a number, or too large for one
			return numberKey(f)
		}
	}
	return hashKey(maphash.Bytes(keySeed, text))
}

// numberKey returns the key of a number. Numbers that are equal in all their digits are equal as a float, too.
func numberKey(f float64) Key {
	if f == 0 {
		f = 0 // not -0
	}
	return hashKey(maphash.Comparable(keySeed, math.Float64bits(f)))
}

func boolKey(yes bool) Key { return TextKey(strconv.AppendBool(nil, yes)) }

func hashKey(h uint64) Key { return max(Key(h>>32), 1) }

// rawKey returns the key of a JSON text.
func rawKey(raw []byte) Key {
	switch raw[0] {
	case '"':
		if inner := raw[1 : len(raw)-1]; plainText(inner) {
			return TextKey(inner)
		}
		return TextKey([]byte(rawjson.Text(raw)))
	case 't', 'f':
		return boolKey(raw[0] == 't')
	case 'n', '[', '{':
		return 0
	}
	f, _ := strconv.ParseFloat(string(raw), 64) // a number that is too large is infinite
	return numberKey(f)
}

// plainText reports whether the bytes between quotes are the text itself.
func plainText(inner []byte) bool {
	for _, c := range inner {
		if c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// key returns the key of a value.
func (v value) key() Key {
	switch v.kind {
	case textual:
		return TextKey(v.text)
	case numeric:
		f, _ := strconv.ParseFloat(string(v.text), 64)
		return numberKey(f)
	case boolean:
		return boolKey(v.truth)
	}
	return 0
}

// KeyReader reads the keys of fields in payloads, in one pass over the bytes. It reuses its buffers and is for one
// goroutine at a time.
type KeyReader struct {
	tree  rawjson.Tree
	nodes []int // of the tree, one for each field
	spans []rawjson.Span
}

// NewKeyReader returns a reader of fields.
func NewKeyReader(fields []Field) *KeyReader {
	r := &KeyReader{}
	for _, f := range fields {
		at := 0
		for _, s := range f.parse() {
			if name, ok := s.(string); ok {
				at = r.tree.Member(at, name)
			} else {
				at = r.tree.Element(at, int(s.(float64)))
			}
		}
		r.nodes = append(r.nodes, at)
	}
	r.spans = make([]rawjson.Span, r.tree.Len())
	return r
}

// Read appends the keys of the fields in payload, in the order of NewKeyReader. The key of a field that is missing is 0,
// and so are the keys of all fields if payload is not JSON.
func (r *KeyReader) Read(dst []Key, payload []byte) []Key {
	if len(r.nodes) == 0 {
		return dst
	}
	invalid := r.tree.Find(payload, r.spans) != nil
	for _, n := range r.nodes {
		k := Key(0)
		if s := r.spans[n]; !invalid && s.Found() {
			k = rawKey(s.Of(payload))
		}
		dst = append(dst, k)
	}
	return dst
}
