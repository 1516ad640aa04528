package expr

import "regexp"

// not negates; what is unknown stays so.
type not struct{ of clause }

func (n not) value(s *sight) value { return negate(n.of.value(s)) }

// joined is left || right where ends is true, and left && right where it is false: it is ends where
// either side is, whatever the other is.
type joined struct {
	left, right clause
	ends        bool
}

func (j joined) value(s *sight) value {
	left := j.left.value(s).condition()
	if left.is(j.ends) {
		return left
	}
	right := j.right.value(s).condition()
	if left.is(!j.ends) || right.is(j.ends) {
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
