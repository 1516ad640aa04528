package event

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Position is the place of an event in the history of its source: a stream, a log. It is the same at each gateway that
// reads this history, and later events have greater ones. The zero value means no position. A source sets Major and Minor, for
// example to both numbers of the ID of an entry. The router sets Index where a transform makes several events of one.
type Position struct {
	Major, Minor uint64
	Index        uint32 // among the events that were made of one, from 0
}

// IsZero reports whether there is no position.
func (p Position) IsZero() bool { return p == Position{} }

// Compare returns -1 if p is before q, 1 if it is behind q, and 0 if both are equal.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Major, q.Major), cmp.Compare(p.Minor, q.Minor), cmp.Compare(p.Index, q.Index))
}

// String returns the position as text, such as 1700000000000-0, or 1700000000000-0.2 for the third event of an entry.
func (p Position) String() string {
	if p.Index == 0 {
		return fmt.Sprintf("%d-%d", p.Major, p.Minor)
	}
	return fmt.Sprintf("%d-%d.%d", p.Major, p.Minor, p.Index)
}

// ParsePosition parses a text that [Position.String] returns. It reports false for any other text.
func ParsePosition(text string) (p Position, ok bool) {
	entry, index, hasIndex := strings.Cut(text, ".")
	major, minor, _ := strings.Cut(entry, "-")
	var err, err2, err3 error
	p.Major, err = strconv.ParseUint(major, 10, 64)
	p.Minor, err2 = strconv.ParseUint(minor, 10, 64)
	if hasIndex {
		var n uint64
		n, err3 = strconv.ParseUint(index, 10, 32)
		p.Index = uint32(n)
	}
	if err != nil || err2 != nil || err3 != nil || p.String() != text {
		return Position{}, false
	}
	return p, true
}
