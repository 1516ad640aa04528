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
	"<":          ordered(func(order int) bool { return order < 0 }),
	"<=":         ordered(func(order int) bool { return order <= 0 }),
	">":          ordered(func(order int) bool { return order > 0 }),
	">=":         ordered(func(order int) bool { return order >= 0 }),
	"in":         contained,
	"contains":   ofTexts(bytes.Contains),
	"startsWith": ofTexts(bytes.HasPrefix),
	"endsWith":   ofTexts(bytes.HasSuffix),
}

func (c *ruleCompiler) binary(n *ast.BinaryNode, in *scope) clause {
	switch n.Operator {
	case "&&", "and":
		return joined{c.clause(n.Left, in), c.clause(n.Right, in), false}
	case "||", "or":
		return joined{c.clause(n.Left, in), c.clause(n.Right, in), true}
	case "??":
		return otherwise{c.asks(n.Left, in), c.clause(n.Right, in)}
	case "..":
		return c.report(n, "a rule cannot use ranges: write x >= 1 && x <= 9")
	case "matches":
		return c.matches(n, in)
	case "==", "!=":
		if other := besideNil(n); other != nil {
			asked := clause(isNull{c.asks(other, in)})
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
		return apply2{compare, c.clause(n.Left, in), c.clause(n.Right, in)}
	}
	return c.report(n, "a rule cannot compute by %s: "+toCompute, n.Operator)
}

// oneOf is x in [a, b], which is x == a || x == b.
func (c *ruleCompiler) oneOf(x ast.Node, l *ast.ArrayNode, in *scope) (all clause) {
	for _, e := range l.Nodes {
		one := clause(apply2{equals, c.clause(x, in), c.clause(e, in)})
		if all != nil {
			one = joined{all, one, true}
		}
		all = one
	}
	return all
}

// besideNil returns what n compares with a literal nil; nil where it does not.
func besideNil(n *ast.BinaryNode) ast.Node {
	if _, ok := n.Right.(*ast.NilNode); ok {
		return n.Left
	}
	if _, ok := n.Left.(*ast.NilNode); ok {
		return n.Right
	}
	return nil
}

// asks compiles what may be missing, claims too.
func (c *ruleCompiler) asks(node ast.Node, in *scope) clause {
	switch node.(type) {
	case *ast.IdentifierNode, *ast.MemberNode, *ast.ChainNode:
		c.asked++
		defer func() { c.asked-- }()
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

// equality notes where the rule is an equality with one claim, so that it can be looked up.
// It compares as text then.
func (c *ruleCompiler) equality(root ast.Node) {
	n, ok := root.(*ast.BinaryNode)
	if !ok || n.Operator != "==" || c.claims != 1 || besideNil(n) != nil {
		return
	}
	for _, sides := range [][2]ast.Node{{n.Left, n.Right}, {n.Right, n.Left}} {
		if p := claimPath(sides[1]); p != nil {
			c.rule.claim, c.rule.key = p, c.clause(sides[0], nil)
			c.rule.root = apply2{equalTexts, c.rule.key, c.clause(sides[1], nil)}
			return
		}
	}
}
