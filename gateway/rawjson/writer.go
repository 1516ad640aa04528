package rawjson

import (
	"fmt"
	"slices"
	"strconv"
)

// writer applies an edit to b. It copies unchanged bytes in long pieces.
type writer struct {
	b        []byte
	dst      []byte // nil until the first change
	extra    int    // estimated bytes to add
	consumed int    // b[:consumed] is written or removed
	err      error
	stack    []*editNode // nodes that apply to the values around the position, the outermost first
	matched  []*editNode // nodes for which the objects around the position have a member
}

// copyTo copies b up to i unchanged.
func (w *writer) copyTo(i int) {
	if w.dst == nil {
		w.dst = make([]byte, 0, len(w.b)+w.extra)
	}
	w.dst = append(w.dst, w.b[w.consumed:i]...)
	w.consumed = i
}

// value edits the value that begins at i, to which nodes apply. It returns the end of the value, or invalid.
func (w *writer) value(i, depth int, nodes []*editNode) int {
	if i < len(w.b) && (w.b[i] == '{' || w.b[i] == '[') {
		for _, s := range nodes {
			if len(s.children) == 0 {
				continue
			}
			if w.b[i] == '{' {
				return w.object(i, depth+1, nodes)
			}
			return w.array(i, depth+1, nodes)
		}
	}
	return skipValue(w.b, i, depth)
}

// list is the state of writing an object or array.
type list struct {
	count   int  // members that were not removed
	removed bool // whether the last member was removed
	end     int  // of the last member
}

// beginMember prepares for a member that is not removed. The white space before it begins at from.
func (w *writer) beginMember(l *list, from int) {
	if l.removed { // its comma is removed, too
		w.consumed = from
		w.comma(l)
	}
	l.count++
	l.removed = false
}

func (w *writer) comma(l *list) {
	if l.count > 0 {
		w.dst = append(w.dst, ',')
	}
}

func (w *writer) object(i, depth int, nodes []*editNode) int {
	m, ok := firstMember(w.b, i, depth)
	l, outer := list{end: i + 1}, len(w.matched)
	for ok {
		base := len(w.stack)
		for _, s := range nodes {
			for _, c := range s.children {
				if c.name == "*" || keyIs(w.b[m.key:m.colon], c.name) {
					w.stack = append(w.stack, c)
				}
			}
		}
		w.matched = append(w.matched, w.stack[base:]...)
		l.end = w.member(m, depth, w.stack[base:], &l)
		w.stack = w.stack[:base]
		if l.end == invalid {
			return invalid
		}
		m, ok = nextMember(w.b, l.end)
	}
	if m.end == invalid {
		return invalid
	}
	for _, s := range nodes {
		for _, c := range s.children {
			if c.create && c.name != "*" && !slices.Contains(w.matched[outer:], c) && w.err == nil {
				if !l.removed {
					w.copyTo(l.end)
				}
				w.create(c, &l)
			}
		}
	}
	w.matched = w.matched[:outer]
	return m.end
}

func (w *writer) array(i, depth int, nodes []*editNode) int {
	v, end := firstElement(w.b, i, depth)
	l, outer := list{end: i + 1}, len(w.matched)
	for n := 0; v != invalid; n++ {
		base := len(w.stack)
		for _, s := range nodes {
			for _, c := range s.children {
				if c.name == "*" || c.name == strconv.Itoa(n) {
					w.stack = append(w.stack, c)
				}
			}
		}
		w.matched = append(w.matched, w.stack[base:]...)
		from := l.end
		if n > 0 {
			from = skipSpace(w.b, l.end) + 1 // after the comma
		}
		l.end = w.member(member{from: from, key: v, colon: v, value: v}, depth, w.stack[base:], &l)
		w.stack = w.stack[:base]
		if l.end == invalid {
			return invalid
		}
		v, end = nextElement(w.b, l.end)
	}
	for _, s := range nodes {
		for _, c := range s.children {
			if c.create && !slices.Contains(w.matched[outer:], c) && end != invalid && w.err == nil {
				w.err = fmt.Errorf("a list has no %s to be set", c.name)
			}
		}
	}
	w.matched = w.matched[:outer]
	return end
}

// member edits a member or an element to which nodes apply. It returns the end of its value, or invalid.
func (w *writer) member(m member, depth int, nodes []*editNode, l *list) (end int) {
	var c Change
	for _, s := range nodes {
		if s.change != nil && !c.Remove && (c.Value == nil || s.change.Remove) {
			c = *s.change
		}
	}
	if c.Remove {
		if !l.removed {
			w.copyTo(l.end)
		}
		end = skipValue(w.b, m.value, depth)
		w.consumed, l.removed = end, true
		return end
	}
	w.beginMember(l, m.from)
	if c.Name != "" && m.key < m.colon { // an element has no name
		w.copyTo(m.key)
		w.dst = AppendText(w.dst, c.Name)
		w.consumed = m.colon
	}
	if c.Value == nil {
		return w.descend(m.value, depth, nodes)
	}
	if end = skipValue(w.b, m.value, depth); end == invalid {
		return invalid
	}
	w.copyTo(m.value)
	w.append(c, w.b[m.value:end])
	w.consumed = end
	if w.err != nil {
		return invalid
	}
	return end
}

// descend edits a value that contains changed or new fields. It returns the end of the value, or invalid.
func (w *writer) descend(i, depth int, nodes []*editNode) int {
	for _, s := range nodes {
		if !s.create || i >= len(w.b) || w.b[i] == '{' || w.b[i] == '[' {
			continue
		}
		end := skipValue(w.b, i, depth)
		if end == invalid {
			return invalid
		}
		if w.b[i] != 'n' {
			w.err = fmt.Errorf("%s is %s, so that no field can be set in it", s.name, kind(w.b[i]))
			return invalid
		}
		w.copyTo(i) // null is treated as a missing value
		w.consumed = end
		w.newValue(s)
		return end
	}
	return w.value(i, depth, nodes)
}

func (w *writer) append(c Change, old []byte) {
	dst, err := c.Value(w.dst, old)
	if err != nil {
		w.err = err
		return
	}
	w.dst = dst
}

// create writes a new member.
func (w *writer) create(s *editNode, l *list) {
	w.comma(l)
	l.count++
	w.dst = append(w.dst, s.key...)
	w.newValue(s)
}

// newValue writes the value of a new member.
func (w *writer) newValue(s *editNode) {
	if s.change != nil && s.change.Create {
		w.append(*s.change, nil)
		return
	}
	w.dst = append(w.dst, '{')
	var l list
	for _, c := range s.children {
		if c.create && w.err == nil {
			w.create(c, &l)
		}
	}
	w.dst = append(w.dst, '}')
}
