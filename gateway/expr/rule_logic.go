package expr

import "regexp"

// not is the negation. The negation of unknown is unknown.
type not struct{ of clause }

func (n not) value(s *ruleState) value { return negate(n.of.value(s)) }

// logical is left || right if decisive is true, and left && right if it is false. The result is decisive if either
// side is decisive, even if the other side is unknown.
type logical struct {
	left, right clause
	decisive    bool
}

func (j logical) value(s *ruleState) value {
	left := j.left.value(s).asBoolean()
	if left.is(j.decisive) {
		return left
	}
	right := j.right.value(s).asBoolean()
	if left.is(!j.decisive) || right.is(j.decisive) {
		return right
	}
	return value{}
}

// conditional is when ? yes : no. If when is unknown, the result is yes if yes equals no, else unknown.
type conditional struct{ when, yes, no clause }

func (c conditional) value(s *ruleState) value {
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

// isNull is a comparison with nil: it is true if a value is missing or null.
type isNull struct{ of clause }

func (n isNull) value(s *ruleState) value {
	v := n.of.value(s)
	if v.kind == unknown {
		return v
	}
	return boolValue(v.kind == null)
}

// fallback is left ?? right.
type fallback struct{ left, right clause }

func (o fallback) value(s *ruleState) value {
	if v := o.left.value(s); v.kind != null {
		return v
	}
	return o.right.value(s)
}

// unaryCall calls a function of one value, and binaryCall a function or an operator of two.
type unaryCall struct {
	name string
	f    func(value) value
	of   clause
}

func (a unaryCall) value(s *ruleState) value { return a.f(a.of.value(s)) }

type binaryCall struct {
	name        string
	f           func(a, b value) value
	left, right clause
}

func (a binaryCall) value(s *ruleState) value { return a.f(a.left.value(s), a.right.value(s)) }

// elements is a list literal with elements that are no constants.
type elements struct{ of []clause }

func (e elements) value(s *ruleState) value {
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

func (m match) value(s *ruleState) value {
	v := m.of.value(s)
	if v.kind != textual {
		return value{}
	}
	return boolValue(m.pattern.Match(v.text))
}

// loop is any() if decisive is true, and all() if it is false. It ends at the first element for which the body is
// decisive.
type loop struct {
	list, body clause
	depth      int
	decisive   bool
}

func (l loop) value(s *ruleState) value {
	v := l.list.value(s)
	if v.kind != listing {
		return value{}
	}
	outer := s.items[l.depth] // a variable may hold a loop, and be used within another
	defer func() { s.items[l.depth] = outer }()
	result := boolValue(!l.decisive)
	for _, item := range v.items {
		s.items[l.depth] = item
		switch b := l.body.value(s).asBoolean(); {
		case b.is(l.decisive):
			return b
		case b.kind == unknown:
			result = value{}
		}
	}
	return result
}
