// Package rawjson finds and changes values in JSON text without
// decoding the rest: digits, key order, duplicate keys and white space stay as they
// are.
//
// Every function reads the whole text once and accepts exactly what RFC 8259 calls
// JSON, as [encoding/json.Valid] does. If an object has a key several times,
// the last one counts, as for JSON.parse and encoding/json, and a change is made to
// all of them.
package rawjson

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxDepth bounds the nesting of values, as encoding/json does.
const maxDepth = 10_000

// bad is the result of a scan that has found a syntax error.
const bad = -1

// Valid reports whether b is one JSON value.
func Valid(b []byte) bool {
	return skipSpace(b, skipValue(b, skipSpace(b, 0), 0)) == len(b)
}

// Check returns nil if b is one JSON value, else an error with the reason and the byte offset.
func Check(b []byte) error {
	if Valid(b) {
		return nil
	}
	return syntaxError(b)
}

// syntaxError returns the reason why b is not JSON. It may be slow, because it runs only after a failure.
func syntaxError(b []byte) error {
	var v json.RawMessage
	err := json.Unmarshal(b, &v)
	var se *json.SyntaxError
	if errors.As(err, &se) {
		return fmt.Errorf("the payload is not JSON: %w at byte %d", err, se.Offset)
	}
	return errors.New("the payload is not JSON")
}

// skipSpace returns the end of the white space that begins at i; for bad it returns bad.
func skipSpace(b []byte, i int) int {
	for uint(i) < uint(len(b)) {
		switch b[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// skipValue returns the end of the value that begins at i, or bad.
func skipValue(b []byte, i, depth int) int {
	if uint(i) >= uint(len(b)) {
		return bad
	}
	switch c := b[i]; c {
	case '"':
		return skipString(b, i)
	case '{':
		return skipObject(b, i, depth+1, nil, nil)
	case '[':
		return skipArray(b, i, depth+1)
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	default:
		return skipNumber(b, i)
	}
}

// skipObject returns the end of the object that begins at i, or bad. It finds the members of p, unless p is nil.
// skipObject and skipArray scan most bytes of a payload, so they call skipSpace only if there is white space.
func skipObject(b []byte, i, depth int, p *node, spans []Span) int {
	if depth > maxDepth {
		return bad
	}
	i++
	for first := true; ; first = false {
		if uint(i) < uint(len(b)) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if uint(i) >= uint(len(b)) {
			return bad
		}
		if b[i] != '"' {
			if first && b[i] == '}' {
				return i + 1
			}
			return bad
		}
		key := i
		if i = skipString(b, i); i == bad {
			return bad
		}
		var c *node
		if p != nil {
			c = p.member(b[key:i])
		}
		if uint(i) < uint(len(b)) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if uint(i) >= uint(len(b)) || b[i] != ':' {
			return bad
		}
		if i++; uint(i) < uint(len(b)) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if c == nil {
			i = skipValue(b, i, depth)
		} else {
			c.reset(spans)
			i = c.find(b, i, depth, spans)
		}
		if uint(i) < uint(len(b)) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if uint(i) >= uint(len(b)) {
			return bad
		}
		switch b[i] {
		case '}':
			return i + 1
		case ',':
			i++
		default:
			return bad
		}
	}
}

func skipArray(b []byte, i, depth int) int {
	if depth > maxDepth {
		return bad
	}
	if i = skipSpace(b, i+1); uint(i) < uint(len(b)) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = skipValue(b, i, depth); uint(i) < uint(len(b)) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if uint(i) >= uint(len(b)) {
			return bad
		}
		switch b[i] {
		case ']':
			return i + 1
		case ',':
			if i++; uint(i) < uint(len(b)) && b[i] <= ' ' {
				i = skipSpace(b, i)
			}
		default:
			return bad
		}
	}
}

// member is where a member of an object stands.
type member struct {
	from       int // where the white space before the key begins
	key, colon int // the key with its quotes is b[key:colon], or with white space
	value      int // where its value begins
	end        int // without a member: where the object ends, or bad
}

// firstMember reads up to the first value of the object that begins at i.
func firstMember(b []byte, i, depth int) (m member, ok bool) {
	if depth > maxDepth {
		return member{end: bad}, false
	}
	from := i + 1
	if i = skipSpace(b, from); i < len(b) && b[i] == '}' {
		return member{end: i + 1}, false
	}
	return readKey(b, from, i)
}

// nextMember goes on after a value that ends at i.
func nextMember(b []byte, i int) (m member, ok bool) {
	i = skipSpace(b, i)
	switch {
	case i >= len(b):
		return member{end: bad}, false
	case b[i] == '}':
		return member{end: i + 1}, false
	case b[i] == ',':
		return readKey(b, i+1, skipSpace(b, i+1))
	}
	return member{end: bad}, false
}

func readKey(b []byte, from, i int) (m member, ok bool) {
	if i >= len(b) || b[i] != '"' {
		return member{end: bad}, false
	}
	m = member{from: from, key: i, end: bad}
	if m.colon = skipString(b, i); m.colon == bad {
		return m, false
	}
	if i = skipSpace(b, m.colon); i >= len(b) || b[i] != ':' {
		return m, false
	}
	m.value = skipSpace(b, i+1)
	return m, true
}

// firstElement returns where the first value of the array begins that begins at i;
// where it has none, bad, and where the array ends.
func firstElement(b []byte, i, depth int) (value, end int) {
	if depth > maxDepth {
		return bad, bad
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == ']' {
		return bad, i + 1
	}
	return i, bad
}

// nextElement goes on after a value that ends at i.
func nextElement(b []byte, i int) (value, end int) {
	i = skipSpace(b, i)
	switch {
	case i >= len(b):
		return bad, bad
	case b[i] == ']':
		return bad, i + 1
	case b[i] == ',':
		return skipSpace(b, i+1), bad
	}
	return bad, bad
}
