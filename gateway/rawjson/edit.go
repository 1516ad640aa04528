package rawjson

import "fmt"

// Change is a change of a field.
type Change struct {
	// Remove removes the field.
	Remove bool
	// Name is the field's new name; "" keeps the old one.
	Name string
	// Value appends the new value to dst, given the text of the old one; nil keeps the value. An error
	// ends the edit. If there is no such field and Create is set, old is nil.
	Value func(dst, old []byte) ([]byte, error)
	// Create creates the field if it does not exist, with the objects around it.
	Create bool
}

// Edit changes fields of a JSON value and keeps every other byte. The zero value
// changes nothing.
type Edit struct{ root editNode }

// editNode is a node of the tree of changes.
type editNode struct {
	name     string
	key      []byte // "name": as JSON
	change   *Change
	children []*editNode
	create   bool // whether a change of this field or of a child creates missing fields
}

// Add adds a change of the fields at path. The change has no effect on a field if another change removes it, or
// sets the value of an object that contains it.
func (e *Edit) Add(path Path, c Change) {
	s := &e.root
	for _, name := range path.steps {
		s.create = s.create || c.Create
		next := s.named(name)
		if next == nil {
			next = &editNode{name: name, key: append(AppendText(nil, name), ':')}
			s.children = append(s.children, next)
		}
		s = next
	}
	s.change, s.create = &c, s.create || c.Create
}

func (s *editNode) named(name string) *editNode {
	for _, c := range s.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// Apply returns b with the changes, or b itself if nothing changes; extra is an estimate of the
// bytes that the changes add. It returns an error if b is not JSON, or the error of a change.
func (e *Edit) Apply(b []byte, extra int) ([]byte, error) {
	w := writer{b: b, extra: extra}
	i := skipSpace(b, 0)
	if i < len(b) && b[i] != '{' && e.root.create {
		if err := Check(b); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("fields can be set in a JSON object only, and the payload is %s", kind(b[i]))
	}
	end := w.value(i, 0, []*editNode{&e.root})
	if w.err == nil && skipSpace(b, end) != len(b) {
		w.err = syntaxError(b)
	}
	if w.err != nil {
		return nil, w.err
	}
	if w.dst == nil {
		return b, nil
	}
	w.copyTo(len(b))
	return w.dst, nil
}

// kind returns the name of the kind of value that begins with c.
func kind(c byte) string {
	switch c {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "text"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}
