package expr

import (
	"regexp"

	"eventgateway/gateway/event"
	"eventgateway/gateway/rawjson"
)

// rule is a condition over an event and the claims of a client, as a tree of parts. It is
// evaluated in three-valued logic: a part is unknown where something is missing or cannot be
// compared, and what depends on it is unknown, too. Who has a right by it is only known
// where the whole is true.
type rule struct {
	source   string
	root     clause
	tree     rawjson.Tree // of the fields that it reads
	depth    int          // of loops in each other
	required [][]string   // claims that a client must have
	reads    map[string]bool
	// Of an equality with one claim: its other side, and the path of the claim.
	key   clause
	claim []string
}

// clause is a part of a rule that has a value.
type clause interface{ value(s *sight) value }

// sight is one look at an event with the claims of a client.
type sight struct {
	rule   *rule
	event  *event.Event
	claims value
	spans  []rawjson.Span
	looked bool // whether spans is filled
	broken bool // the payload is not JSON
	items  []value
}

// look prepares for an event.
func (s *sight) look(r *rule, claims value, ev *event.Event) {
	s.rule, s.claims, s.event, s.looked, s.broken = r, claims, ev, false, false
	if n := r.tree.Len(); cap(s.spans) < n {
		s.spans = make([]rawjson.Span, n)
	} else {
		s.spans = s.spans[:n]
	}
	for len(s.items) < r.depth {
		s.items = append(s.items, value{})
	}
}

// find finds all fields of the rule in the payload, once, and reports whether it is JSON.
func (s *sight) find() bool {
	if !s.looked {
		s.looked = true
		s.broken = s.rule.tree.Find(s.event.Data, s.spans) != nil
	}
	return !s.broken
}

// constant is a value that stands in the rule.
type constant struct{ v value }

func (c constant) value(*sight) value { return c.v }

// allClaims is all claims of the client.
type allClaims struct{}

func (allClaims) value(s *sight) value { return s.claims }

// ofEvent is a member of event.
type ofEvent struct{ name string }

func (o ofEvent) value(s *sight) value { return goValue(eventField(s.event, o.name), false) }

// attribute is a member of event.attrs.
type attribute struct{ name string }

func (a attribute) value(s *sight) value {
	text, ok := s.event.Attr(a.name)
	if !ok {
		return value{kind: null}
	}
	return textValue([]byte(text))
}

// item is the element that a loop is at.
type item struct{ depth int }

func (i item) value(s *sight) value { return s.items[i.depth] }

// field is a chain of members of the payload.
type field struct {
	steps  []step
	places []int // in the tree of the rule: of the payload, and after each step
}

func (f field) value(s *sight) value {
	if !s.find() {
		return value{}
	}
	last := len(f.places) - 1
	if at := s.spans[f.places[last]]; at.Found() {
		return rawValue(at.Of(s.event.Data))
	}
	at := last - 1
	for !s.spans[f.places[at]].Found() {
		at--
	}
	switch outer := s.spans[f.places[at]].Of(s.event.Data); {
	case outer[0] == '{' && !f.steps[at].element: // it has no such member
		at++
	case outer[0] != 'n':
		return value{}
	}
	if at < len(f.steps) && !f.steps[at].optional { // nothing has no members
		return value{}
	}
	return value{kind: null}
}

// path goes steps down from any value.
type path struct {
	from  clause
	steps []pathStep
}

type pathStep struct {
	key      clause
	optional bool // nothing has nothing below it
}

func (p path) value(s *sight) value {
	v := p.from.value(s)
	for _, step := range p.steps {
		if v.kind == null && step.optional {
			return v
		}
		v = member(v, step.key.value(s))
	}
	return v
}

// not negates; what is unknown stays so.
type not struct{ of clause }

func (n not) value(s *sight) value { return negate(n.of.value(s)) }

// both is left && right: false where either is, whatever the other is.
type both struct{ left, right clause }

func (b both) value(s *sight) value {
	left := b.left.value(s).condition()
	if left.is(false) {
		return left
	}
	right := b.right.value(s).condition()
	if left.is(true) || right.is(false) {
		return right
	}
	return value{}
}

// either is left || right: true where either is, whatever the other is.
type either struct{ left, right clause }

func (e either) value(s *sight) value {
	left := e.left.value(s).condition()
	if left.is(true) {
		return left
	}
	right := e.right.value(s).condition()
	if left.is(false) || right.is(true) {
		return right
	}
	return value{}
}

// choice is when ? yes : no. Where when is unknown, it is what both others agree on.
type choice struct{ when, yes, no clause }

func (c choice) value(s *sight) value {
	switch when := c.when.value(s); {
	case when.is(true):
		return c.yes.value(s)
	case when.is(false):
		return c.no.value(s)
	}
	yes, no := c.yes.value(s), c.no.value(s)
	if equals(yes, no).is(true) {
		return yes
	}
	return value{}
}

// isNull asks on purpose whether something is missing or null.
type isNull struct{ of clause }

func (n isNull) value(s *sight) value {
	v := n.of.value(s)
	if v.kind == unknown {
		return v
	}
	return truth(v.kind == null)
}

// otherwise is left ?? right.
type otherwise struct{ left, right clause }

func (o otherwise) value(s *sight) value {
	if v := o.left.value(s); v.kind != null {
		return v
	}
	return o.right.value(s)
}

// apply calls a function of one value, and apply2 one of two.
type apply struct {
	f  func(value) value
	of clause
}

func (a apply) value(s *sight) value { return a.f(a.of.value(s)) }

type apply2 struct {
	f           func(a, b value) value
	left, right clause
}

func (a apply2) value(s *sight) value { return a.f(a.left.value(s), a.right.value(s)) }

// elements is a list that is written in the rule.
type elements struct{ of []clause }

func (e elements) value(s *sight) value {
	all := value{kind: listing, items: make([]value, len(e.of))}
	for i, of := range e.of {
		all.items[i] = of.value(s)
	}
	return all
}

// match matches a text with a pattern.
type match struct {
	of      clause
	pattern *regexp.Regexp
}

func (m match) value(s *sight) value {
	v := m.of.value(s)
	if v.kind != textual {
		return value{}
	}
	return truth(m.pattern.Match(v.text))
}

// loop is any() where it ends is true, and all() where that is false: it ends at the first
// element for which the body is so.
type loop struct {
	list, body clause
	depth      int
	ends       bool
}

func (l loop) value(s *sight) value {
	v := l.list.value(s)
	if v.kind != listing {
		return value{}
	}
	outer := s.items[l.depth] // a variable may hold a loop, and be used within another
	defer func() { s.items[l.depth] = outer }()
	result := truth(!l.ends)
	for _, item := range v.items {
		s.items[l.depth] = item
		switch b := l.body.value(s).condition(); {
		case b.is(l.ends):
			return b
		case b.kind == unknown:
			result = value{}
		}
	}
	return result
}
