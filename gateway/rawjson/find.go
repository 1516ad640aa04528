package rawjson

import "strconv"

// Span is the range of a value: b[From:To]. To is 0 if there is none.
type Span struct{ From, To int }

// Found reports whether there is a value.
func (s Span) Found() bool { return s.To > 0 }

// Of returns the text of the value.
func (s Span) Of(b []byte) []byte { return b[s.From:s.To] }

// Tree is a set of values that are found in one pass. The zero value has one: the
// whole value, whose number is 0.
type Tree struct {
	root  node
	count int // of the nodes without the root
}

// node is a node of the tree: a step from its parent.
type node struct {
	id       int
	name     string // of a member
	index    int    // of an element, where element is set
	element  bool
	either   bool // a member, or the element of the same number
	children []*node
	members  bool // whether any child is a member
}

// Len returns how many spans [Tree.Find] fills.
func (t *Tree) Len() int { return t.count + 1 }

// Member returns the number of the member called name of the value number of.
func (t *Tree) Member(of int, name string) int { return t.step(of, node{name: name}) }

// Path returns the number of the value that a path leads to; the path has no *.
func (t *Tree) Path(p Path) int {
	at := 0
	for _, name := range p.steps {
		step := node{name: name}
		if n, err := strconv.Atoi(name); err == nil && strconv.Itoa(n) == name {
			step.index, step.either = n, true
		}
		at = t.step(at, step)
	}
	return at
}

// Element returns the number of an element of the value number of; index counts from 0.
func (t *Tree) Element(of, index int) int { return t.step(of, node{index: index, element: true}) }

func (t *Tree) step(of int, want node) int {
	p := t.root.byID(of)
	for _, c := range p.children {
		if c.name == want.name && c.index == want.index && c.element == want.element && c.either == want.either {
			return c.id
		}
	}
	t.count++
	want.id = t.count
	p.children = append(p.children, &want)
	p.members = p.members || !want.element
	return want.id
}

func (p *node) byID(id int) *node {
	if p.id == id {
		return p
	}
	for _, c := range p.children {
		if found := c.byID(id); found != nil {
			return found
		}
	}
	return nil
}

// Find sets spans, which has [Tree.Len] entries, to the ranges of the values in b.
// It returns an error if b is not JSON.
func (t *Tree) Find(b []byte, spans []Span) error {
	clear(spans)
	end := t.root.find(b, skipSpace(b, 0), 0, spans)
	if skipSpace(b, end) != len(b) {
		return syntaxError(b)
	}
	return nil
}

// find finds the node and its children in the value that begins at i. It returns the end of the value, or invalid.
func (p *node) find(b []byte, i, depth int, spans []Span) (end int) {
	switch {
	case i < len(b) && len(p.children) > 0 && b[i] == '{' && p.members:
		end = skipObject(b, i, depth+1, p, spans)
	case i < len(b) && len(p.children) > 0 && b[i] == '[':
		end = p.findElements(b, i, depth+1, spans)
	default:
		end = skipValue(b, i, depth)
	}
	spans[p.id] = Span{i, end}
	return end
}

func (p *node) findElements(b []byte, i, depth int, spans []Span) int {
	v, end := firstElement(b, i, depth)
	for n := 0; v != invalid; n++ {
		if c := p.elementAt(n); c == nil {
			end = skipValue(b, v, depth)
		} else {
			end = c.find(b, v, depth, spans)
		}
		if end == invalid {
			return invalid
		}
		v, end = nextElement(b, end)
	}
	return end
}

// member returns the node of a member, given its key with the quotes.
func (p *node) member(key []byte) *node {
	for _, c := range p.children {
		if c.element {
			continue
		}
		if keyIs(key, c.name) {
			return c
		}
	}
	return nil
}

func (p *node) elementAt(index int) *node {
	for _, c := range p.children {
		if (c.element || c.either) && c.index == index {
			return c
		}
	}
	return nil
}

// reset removes the spans of an earlier member of the same name.
func (p *node) reset(spans []Span) {
	if !spans[p.id].Found() {
		return
	}
	spans[p.id] = Span{}
	for _, c := range p.children {
		c.reset(spans)
	}
}
