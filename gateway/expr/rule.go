package expr

import (
	"eventgateway/gateway/event"
	"eventgateway/gateway/rawjson"
)

// rule is a condition over an event and the claims of a client, as a tree of clauses. It is evaluated in three-valued
// logic: a clause is unknown if a value is missing or cannot be compared. A clause that depends on an unknown one is
// unknown, too. The rule permits an event only if its root is true.
type rule struct {
	source         string
	root           clause
	tree           rawjson.Tree // the fields that the rule reads
	depth          int          // the maximum nesting of loops
	requiredClaims [][]string   // claims that a client must have
	fieldsRead     map[string]bool
	claimsRead     [][]string // paths of claims, complete unless readsAllClaims is set
	readsAllClaims bool       // it reads claims as a whole, or by a computed name
	readsChannel   bool
}

// clause is a part of a rule that has a value.
type clause interface{ value(s *ruleState) value }

// ruleState is the state of an evaluation of a rule for one event and one client. Its buffers are reused.
type ruleState struct {
	rule     *rule
	event    *event.Event
	claims   value
	channel  value // unknown: none
	spans    []rawjson.Span
	searched bool // whether spans is filled
	invalid  bool // the payload is not JSON
	items    []value
}

// reset begins the evaluation of a rule for an event.
func (s *ruleState) reset(r *rule, claims value, ev *event.Event) {
	s.rule, s.claims, s.channel, s.event, s.searched, s.invalid = r, claims, value{}, ev, false, false
	if n := r.tree.Len(); cap(s.spans) < n {
		s.spans = make([]rawjson.Span, n)
	} else {
		s.spans = s.spans[:n]
	}
	for len(s.items) < r.depth {
		s.items = append(s.items, value{})
	}
}

// find finds all fields of the rule in the payload, once for each event. It reports whether the payload is JSON.
func (s *ruleState) find() bool {
	if !s.searched {
		s.searched = true
		s.invalid = s.rule.tree.Find(s.event.Data, s.spans) != nil
	}
	return !s.invalid
}

// constant is a literal of the rule.
type constant struct{ v value }

func (c constant) value(*ruleState) value { return c.v }

// allClaims is all claims of the client.
type allClaims struct{}

func (allClaims) value(s *ruleState) value { return s.claims }

// eventMember is a member of event.
type eventMember struct{ name string }

func (o eventMember) value(s *ruleState) value { return goValue(eventField(s.event, o.name), false) }

// attribute is a member of event.attrs.
type attribute struct{ name string }

func (a attribute) value(s *ruleState) value {
	text, ok := s.event.Attr(a.name)
	if !ok {
		return value{kind: null}
	}
	return textValue([]byte(text))
}

// loopElement is the current element of a loop.
type loopElement struct{ depth int }

func (i loopElement) value(s *ruleState) value { return s.items[i.depth] }

// field is a chain of members of the payload.
type field struct {
	steps []step
	nodes []int // of the rule's tree: the payload, and the value after each step
}

func (f field) value(s *ruleState) value {
	if !s.find() {
		return value{}
	}
	last := len(f.nodes) - 1
	if at := s.spans[f.nodes[last]]; at.Found() {
		return rawValue(at.Of(s.event.Data))
	}
	at := last - 1
	for !s.spans[f.nodes[at]].Found() {
		at--
	}
	switch outer := s.spans[f.nodes[at]].Of(s.event.Data); {
	case outer[0] == '{' && !f.steps[at].element: // the object has no such member
		at++
	case outer[0] != 'n':
		return value{}
	}
	if at < len(f.steps) && !f.steps[at].optional { // a member of null is unknown
		return value{}
	}
	return value{kind: null}
}

// path is a chain of members of any value.
type path struct {
	from  clause
	steps []pathStep
}

type pathStep struct {
	key      clause
	optional bool // written ?. : a member of null is null
}

func (p path) value(s *ruleState) value {
	v := p.from.value(s)
	for _, step := range p.steps {
		if v.kind == null && step.optional {
			return v
		}
		v = member(v, step.key.value(s))
	}
	return v
}
