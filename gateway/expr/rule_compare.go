package expr

import (
	"bytes"
	"regexp"

	"github.com/expr-lang/expr/ast"
)

// comparisons are the operators that compare two values.
var comparisons = map[string]func(a, b value) value{
	"==":         equals,
	"!=":         func(a, b value) value { return negate(equals(a, b)) },
	"<":          compareBy(func(order int) bool { return order < 0 }),
	"<=":         compareBy(func(order int) bool { return order <= 0 }),
	">":          compareBy(func(order int) bool { return order > 0 }),
	">=":         compareBy(func(order int) bool { return order >= 0 }),
	"in":         contained,
	"contains":   textPredicate(bytes.Contains),
	"startsWith": textPredicate(bytes.HasPrefix),
	"endsWith":   textPredicate(bytes.HasSuffix),
}

func (c *ruleCompiler) binary(n *ast.BinaryNode, in *scope) clause {
	switch n.Operator {
	case "&&", "and":
		return logical{c.clause(n.Left, in), c.clause(n.Right, in), false}
	case "||", "or":
		return logical{c.clause(n.Left, in), c.clause(n.Right, in), true}
	case "??":
		return fallback{c.optional(n.Left, in), c.clause(n.Right, in)}
	case "+":
		if isText(n.Left) || isText(n.Right) {
			return binaryCall{"+", joinTexts, c.clause(n.Left, in), c.clause(n.Right, in)}
		}
	case "..":
		return c.report(n, "a rule cannot use ranges: write x >= 1 && x <= 9")
	case "matches":
		return c.matches(n, in)
	case "==", "!=":
		if other := comparedWithNil(n); other != nil {
			asked := clause(isNull{c.optional(other, in)})
			if n.Operator == "!=" {
				asked = not{asked}
			}
			return asked
		}
		for _, side := range []ast.Node{n.Left, n.Right} {
			if _, isList := side.(*ast.ArrayNode); isList {
				return c.report(n, "a rule cannot compare lists: write in, any() or all()")
			}
		}
	case "in":
		if l, ok := n.Right.(*ast.ArrayNode); ok && len(l.Nodes) > 0 {
			return c.oneOf(n.Left, l, in)
		}
	}
	if compare, ok := comparisons[n.Operator]; ok {
		return binaryCall{n.Operator, compare, c.clause(n.Left, in), c.clause(n.Right, in)}
	}
	return c.report(n, "a rule cannot compute by %s: "+computeHint, n.Operator)
}

// isText reports whether the value of a node is a text whatever the event is, so that + joins texts.
func isText(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.StringNode:
		return true
	case *ast.BinaryNode:
		return n.Operator == "+" && (isText(n.Left) || isText(n.Right))
	}
	return false
}

// joinTexts joins two texts. The result for other kinds is unknown.
func joinTexts(a, b value) value {
	if a.kind != textual || b.kind != textual {
		return value{}
	}
	return textValue(append(a.text[:len(a.text):len(a.text)], b.text...))
}

// oneOf compiles x in [a, b] as x == a || x == b.
func (c *ruleCompiler) oneOf(x ast.Node, l *ast.ArrayNode, in *scope) (all clause) {
	for _, e := range l.Nodes {
		one := clause(binaryCall{"==", equals, c.clause(x, in), c.clause(e, in)})
		if all != nil {
			one = logical{all, one, true}
		}
		all = one
	}
	return all
}

// comparedWithNil returns the operand that n compares with a literal nil, or nil if n is no such comparison.
func comparedWithNil(n *ast.BinaryNode) ast.Node {
	if _, ok := n.Right.(*ast.NilNode); ok {
		return n.Left
	}
	if _, ok := n.Left.(*ast.NilNode); ok {
		return n.Right
	}
	return nil
}

// optional compiles a node whose value, or claim, may be missing.
func (c *ruleCompiler) optional(node ast.Node, in *scope) clause {
	switch node.(type) {
	case *ast.IdentifierNode, *ast.MemberNode, *ast.ChainNode:
		c.optionalDepth++
		defer func() { c.optionalDepth-- }()
	case *ast.NilNode:
		return constant{value{kind: null}}
	}
	return c.clause(node, in)
}

func (c *ruleCompiler) matches(n *ast.BinaryNode, in *scope) clause {
	text, ok := n.Right.(*ast.StringNode)
	if !ok {
		return c.report(n.Right, "the pattern of a rule stands in the rule: write it as text in quotes")
	}
	pattern, err := regexp.Compile(text.Value)
	if err != nil {
		return c.report(n.Right, "%v", err)
	}
	return match{c.clause(n.Left, in), pattern}
}

// compareTexts makes the root of the rule compare a number with a text by the number's normal form, if it is an equality
// with one claim, and no more.
func (c *ruleCompiler) compareTexts(root ast.Node) {
	n, ok := root.(*ast.BinaryNode)
	if !ok || n.Operator != "==" || c.claims != 1 || comparedWithNil(n) != nil || claimPath(n.Left) == nil && claimPath(n.Right) == nil {
		return
	}
	if b, ok := c.rule.root.(binaryCall); ok {
		b.f = equalTexts
		c.rule.root = b
	}
}
