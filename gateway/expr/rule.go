package expr

import (
	"eventgateway/gateway/event"
	"eventgateway/gateway/rawjson"
)

// rule is a condition over an event and the claims of a client, as a tree of parts. It is
// evaluated in three-valued logic: a part is unknown if a value is missing or cannot be
// compared, and all that depends on it is unknown, too. The rule permits only if
// the whole is true.
type rule struct {
	source   string
	root     clause
	tree     rawjson.Tree // of the fields that it reads
	depth    int          // of loops in each other
	required [][]string   // claims that a client must have
	reads    map[string]bool
	named    [][]string // the claims that it reads, where it reads no others
	whole    bool       // it reads claims that it does not name
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

// find finds all fields of the rule in the payload, once, and reports whether the payload is JSON.
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
