package rawjson

import (
	"fmt"
	"slices"
	"strconv"
)

// writer is one edit under way. Unchanged bytes are copied in long pieces: b[done:] is not
// written yet.
type writer struct {
	b     []byte
	dst   []byte // nil where nothing has changed so far
	more  int
	done  int
	err   error
	stack []*spot // those that apply, from the outside to the inside
	seen  []*spot // those that the objects around have a member for
}

// copyTo copies b up to i unchanged.
func (w *writer) copyTo(i int) {
	if w.dst == nil {
		w.dst = make([]byte, 0, len(w.b)+w.more)
	}
	w.dst = append(w.dst, w.b[w.done:i]...)
	w.done = i
}

// value edits the value that begins at i, to which all of spots apply. It returns
// its end, or bad.
func (w *writer) value(i, depth int, spots []*spot) int {
	if i < len(w.b) && (w.b[i] == '{' || w.b[i] == '[') {
		for _, s := range spots {
			if len(s.below) == 0 {
				continue
			}
			if w.b[i] == '{' {
				return w.object(i, depth+1, spots)
			}
			return w.array(i, depth+1, spots)
		}
	}
	return skipValue(w.b, i, depth)
}

// list is the state of writing an object or array.
type list struct {
	kept    int  // members that stay
	removed bool // whether the last one did not
	end     int  // of the last one
}

// before prepares for a member whose white space begins at from.
func (w *writer) before(l *list, from int) {
	if l.removed { // its comma goes, too
		w.done = from
		w.comma(l)
	}
	l.kept++
	l.removed = false
}

func (w *writer) comma(l *list) {
	if l.kept > 0 {
		w.dst = append(w.dst, ',')
	}
}

func (w *writer) object(i, depth int, spots []*spot) int {
	m, ok := firstMember(w.b, i, depth)
	l, seen := list{end: i + 1}, len(w.seen)
	for ok {
		base := len(w.stack)
		for _, s := range spots {
			for _, c := range s.below {
				if c.name == "*" || is(w.b[m.key:m.colon], c.name) {
					w.stack = append(w.stack, c)
				}
			}
		}
		w.seen = append(w.seen, w.stack[base:]...)
		l.end = w.member(m, depth, w.stack[base:], &l)
		w.stack = w.stack[:base]
		if l.end == bad {
			return bad
		}
		m, ok = nextMember(w.b, l.end)
	}
	if m.end == bad {
		return bad
	}
	for _, s := range spots {
		for _, c := range s.below {
			if c.create && c.name != "*" && !slices.Contains(w.seen[seen:], c) && w.err == nil {
				if !l.removed {
					w.copyTo(l.end)
				}
				w.create(c, &l)
			}
		}
	}
	w.seen = w.seen[:seen]
	return m.end
}

func (w *writer) array(i, depth int, spots []*spot) int {
	v, end := firstElement(w.b, i, depth)
	l, seen := list{end: i + 1}, len(w.seen)
	for n := 0; v != bad; n++ {
		base := len(w.stack)
		for _, s := range spots {
			for _, c := range s.below {
				if c.name == "*" || c.name == strconv.Itoa(n) {
					w.stack = append(w.stack, c)
				}
			}
		}
		w.seen = append(w.seen, w.stack[base:]...)
		from := l.end
		if n > 0 {
			from = skipSpace(w.b, l.end) + 1 // behind the comma
		}
		l.end = w.member(member{from: from, key: v, colon: v, value: v}, depth, w.stack[base:], &l)
		w.stack = w.stack[:base]
		if l.end == bad {
			return bad
		}
		v, end = nextElement(w.b, l.end)
	}
	for _, s := range spots {
		for _, c := range s.below {
			if c.create && !slices.Contains(w.seen[seen:], c) && end != bad && w.err == nil {
				w.err = fmt.Errorf("a list has no %s to be set", c.name)
			}
		}
	}
	w.seen = w.seen[:seen]
	return end
}

// member edits a member or an element to which all of here applies. It returns
// the end of its value, or bad.
func (w *writer) member(m member, depth int, here []*spot, l *list) (end int) {
	var c Change
	for _, s := range here {
		if s.change != nil && !c.Remove && (c.Value == nil || s.change.Remove) {
			c = *s.change
		}
	}
	if c.Remove {
		if !l.removed {
			w.copyTo(l.end)
		}
		end = skipValue(w.b, m.value, depth)
		w.done, l.removed = end, true
		return end
	}
	w.before(l, m.from)
	if c.Name != "" && m.key < m.colon { // an element has no name
		w.copyTo(m.key)
		w.dst = AppendText(w.dst, c.Name)
		w.done = m.colon
	}
	if c.Value == nil {
		return w.into(m.value, depth, here)
	}
	if end = skipValue(w.b, m.value, depth); end == bad {
		return bad
	}
	w.copyTo(m.value)
	w.append(c, w.b[m.value:end])
	w.done = end
	if w.err != nil {
		return bad
	}
	return end
}

// into edits a value that contains changed or new fields.
func (w *writer) into(i, depth int, here []*spot) int {
	for _, s := range here {
		if !s.create || i >= len(w.b) || w.b[i] == '{' || w.b[i] == '[' {
			continue
		}
		end := skipValue(w.b, i, depth)
		if end == bad {
			return bad
		}
		if w.b[i] != 'n' {
			w.err = fmt.Errorf("%s is %s, so that no field can be set in it", s.name, kind(w.b[i]))
			return bad
		}
		w.copyTo(i) // null is as good as nothing
		w.done = end
		w.inner(s)
		return end
	}
	return w.value(i, depth, here)
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
func (w *writer) create(s *spot, l *list) {
	w.comma(l)
	l.kept++
	w.dst = append(w.dst, s.key...)
	w.inner(s)
}

// inner writes the value of a new member.
func (w *writer) inner(s *spot) {
	if s.change != nil && s.change.Create {
		w.append(*s.change, nil)
		return
	}
	w.dst = append(w.dst, '{')
	var l list
	for _, c := range s.below {
		if c.create && w.err == nil {
			w.create(c, &l)
		}
	}
	w.dst = append(w.dst, '}')
}
