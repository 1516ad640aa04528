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

// invalid is the result of a scan that has found a syntax error.
const invalid = -1

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

// skipSpace returns the end of the white space that begins at i; for invalid it returns invalid.
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

// skipValue returns the end of the value that begins at i, or invalid.
func skipValue(b []byte, i, depth int) int {
	if uint(i) >= uint(len(b)) {
		return invalid
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

// skipObject returns the end of the object that begins at i, or invalid. It finds the members of p, unless p is nil.
// skipObject and skipArray scan most bytes of a payload, so they call skipSpace only if there is white space.
func skipObject(b []byte, i, depth int, p *node, spans []Span) int {
	if depth > maxDepth {
		return invalid
	}
	i++
	for first := true; ; first = false {
		if uint(i) < uint(len(b)) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if uint(i) >= uint(len(b)) {
			return invalid
		}
		if b[i] != '"' {
			if first && b[i] == '}' {
				return i + 1
			}
			return invalid
		}
		key := i
		if i = skipString(b, i); i == invalid {
			return invalid
		}
		var c *node
		if p != nil {
			c = p.member(b[key:i])
		}
		if uint(i) < uint(len(b)) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if uint(i) >= uint(len(b)) || b[i] != ':' {
			return invalid
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
			return invalid
		}
		switch b[i] {
		case '}':
			return i + 1
		case ',':
			i++
		default:
			return invalid
		}
	}
}

func skipArray(b []byte, i, depth int) int {
	if depth > maxDepth {
		return invalid
	}
	if i = skipSpace(b, i+1); uint(i) < uint(len(b)) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = skipValue(b, i, depth); uint(i) < uint(len(b)) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if uint(i) >= uint(len(b)) {
			return invalid
		}
		switch b[i] {
		case ']':
			return i + 1
		case ',':
			if i++; uint(i) < uint(len(b)) && b[i] <= ' ' {
				i = skipSpace(b, i)
			}
		default:
			return invalid
		}
	}
}

// member has the positions of a member of an object.
type member struct {
	from       int // the begin of the white space before the key
	key, colon int // b[key:colon] is the key with its quotes, and possibly white space
	value      int // the begin of its value
	end        int // without a member: the end of the object, or invalid
}

// firstMember returns the first member of the object that begins at i.
func firstMember(b []byte, i, depth int) (m member, ok bool) {
	if depth > maxDepth {
		return member{end: invalid}, false
	}
	from := i + 1
	if i = skipSpace(b, from); i < len(b) && b[i] == '}' {
		return member{end: i + 1}, false
	}
	return readKey(b, from, i)
}

// nextMember returns the member after a value that ends at i.
func nextMember(b []byte, i int) (m member, ok bool) {
	i = skipSpace(b, i)
	switch {
	case i >= len(b):
		return member{end: invalid}, false
	case b[i] == '}':
		return member{end: i + 1}, false
	case b[i] == ',':
		return readKey(b, i+1, skipSpace(b, i+1))
	}
	return member{end: invalid}, false
}

func readKey(b []byte, from, i int) (m member, ok bool) {
	if i >= len(b) || b[i] != '"' {
		return member{end: invalid}, false
	}
	m = member{from: from, key: i, end: invalid}
	if m.colon = skipString(b, i); m.colon == invalid {
		return m, false
	}
	if i = skipSpace(b, m.colon); i >= len(b) || b[i] != ':' {
		return m, false
	}
	m.value = skipSpace(b, i+1)
	return m, true
}

// firstElement returns the begin of the first element of the array that begins at i. If there is no element, value is
// invalid, and end is the end of the array or invalid.
func firstElement(b []byte, i, depth int) (value, end int) {
	if depth > maxDepth {
		return invalid, invalid
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == ']' {
		return invalid, i + 1
	}
	return i, invalid
}

// nextElement returns the begin of the element after a value that ends at i, with results as of firstElement.
func nextElement(b []byte, i int) (value, end int) {
	i = skipSpace(b, i)
	switch {
	case i >= len(b):
		return invalid, invalid
	case b[i] == ']':
		return invalid, i + 1
	case b[i] == ',':
		return skipSpace(b, i+1), invalid
	}
	return invalid, invalid
}
