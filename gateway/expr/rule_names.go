package expr

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// access compiles a name and the members below it.
func (c *ruleCompiler) access(node ast.Node, in *scope) clause {
	var below []*ast.MemberNode // the innermost first
	for {
		m, ok := node.(*ast.MemberNode)
		if !ok {
			break
		}
		below = append(below, m)
		node = m.Node
	}
	slices.Reverse(below)
	switch n := node.(type) {
	case *ast.IdentifierNode:
		return c.name(n, below, in)
	case *ast.PointerNode:
		if n.Name != "" || in.loops() == 0 {
			return c.report(n, "a rule has no #%s here", n.Name)
		}
		return c.path(loopElement{in.loops() - 1}, below, in)
	}
	return c.path(c.clause(node, in), below, in)
}

func (c *ruleCompiler) name(n *ast.IdentifierNode, below []*ast.MemberNode, in *scope) clause {
	for s := in; s != nil; s = s.outer {
		if s.name == n.Value {
			if _, isNil := s.value.(*ast.NilNode); isNil {
				return c.report(n, "a comparison with nil is always unknown here: write x == nil or x != nil")
			}
			return c.path(c.clause(s.value, s.outer), below, in)
		}
	}
	switch n.Value {
	case claimsName:
		c.claims++
		c.require(below)
		c.noteClaim(literalNames(below))
		return c.path(allClaims{}, below, in)
	case channelName:
		c.rule.readsChannel = true
		return c.path(channelOf{}, below, in)
	case eventName:
		return c.eventMember(n, below, in)
	case "null":
		return c.report(n, "null is written nil")
	case payloadName:
		return c.field(nil, below, in)
	}
	return c.field([]step{{name: n.Value}}, below, in)
}

// require adds a claim to those that a client must have, unless the rule handles a missing claim there.
func (c *ruleCompiler) require(below []*ast.MemberNode) {
	if names := literalNames(below); len(names) > 0 && c.optionalDepth == 0 {
		c.rule.requiredClaims = append(c.rule.requiredClaims, names)
	}
}

// noteClaim adds a path to the claims that the rule reads. Without names the rule reads all claims.
func (c *ruleCompiler) noteClaim(names []string) {
	if len(names) == 0 {
		c.rule.readsAllClaims = true
		return
	}
	c.rule.claimsRead = append(c.rule.claimsRead, names)
}

// getArgument compiles the first argument of get(). get(claims, "name") reads that claim only.
func (c *ruleCompiler) getArgument(of, key ast.Node, in *scope) clause {
	whole := c.rule.readsAllClaims
	from := c.optional(of, in)
	name, literal := key.(*ast.StringNode)
	if id, ok := of.(*ast.IdentifierNode); ok && literal && id.Value == claimsName {
		c.rule.readsAllClaims = whole
		c.noteClaim([]string{name.Value})
	}
	return from
}

// literalNames returns the constant names at the beginning of a chain of members.
func literalNames(below []*ast.MemberNode) (names []string) {
	for _, m := range below {
		name, ok := m.Property.(*ast.StringNode)
		if !ok {
			break
		}
		names = append(names, name.Value)
	}
	return names
}

func (c *ruleCompiler) eventMember(n *ast.IdentifierNode, below []*ast.MemberNode, in *scope) clause {
	names := literalNames(below)
	switch {
	case len(names) == 0:
		return c.report(n, "event has members: write event.id, event.channel, event.key or event.attrs.NAME")
	case names[0] == "attrs" && len(names) > 1:
		return c.path(attribute{names[1]}, below[2:], in)
	case names[0] == "attrs":
		return c.report(n, "write event.attrs.NAME")
	case names[0] == "time":
		return c.report(n, "a rule cannot compare times: "+computeHint)
	}
	return c.path(eventMember{names[0]}, below[1:], in)
}

// field compiles a chain of members of the payload. The members before the first computed one are looked up in its
// bytes.
func (c *ruleCompiler) field(steps []step, below []*ast.MemberNode, in *scope) clause {
	for len(below) > 0 {
		s := step{optional: below[0].Optional}
		switch p := below[0].Property.(type) {
		case *ast.StringNode:
			s.name = p.Value
		case *ast.IntegerNode:
			s.element, s.index = true, p.Value
		}
		if s.name == "" && (!s.element || s.index < 0) {
			break
		}
		steps, below = append(steps, s), below[1:]
	}
	if len(steps) > 0 {
		c.rule.fieldsRead[steps[0].name] = true
	} else {
		c.rule.fieldsRead[payloadName] = true
	}
	f := field{steps: steps, nodes: []int{0}}
	for i, s := range steps {
		if s.element {
			f.nodes = append(f.nodes, c.rule.tree.Element(f.nodes[i], s.index))
		} else {
			f.nodes = append(f.nodes, c.rule.tree.Member(f.nodes[i], s.name))
		}
	}
	return c.path(f, below, in)
}

// path compiles the members below a value.
func (c *ruleCompiler) path(from clause, below []*ast.MemberNode, in *scope) clause {
	if len(below) == 0 {
		return from
	}
	p := path{from: from}
	for _, m := range below {
		p.steps = append(p.steps, pathStep{c.clause(m.Property, in), m.Optional})
	}
	return p
}

// claimPath returns a, b of the node claims.a.b, and nil for other nodes.
func claimPath(node ast.Node) (path []string) {
	if chain, ok := node.(*ast.ChainNode); ok {
		node = chain.Node
	}
	for {
		m, ok := node.(*ast.MemberNode)
		if !ok {
			break
		}
		name, ok := m.Property.(*ast.StringNode)
		if !ok {
			return nil
		}
		path = append([]string{name.Value}, path...)
		node = m.Node
	}
	if id, ok := node.(*ast.IdentifierNode); !ok || id.Value != claimsName {
		return nil
	}
	return path
}

// readsField reports whether the rule reads a field of the payload, or the payload as a whole.
func (r *rule) readsField(name string) bool { return r.fieldsRead[name] || r.fieldsRead[payloadName] }
