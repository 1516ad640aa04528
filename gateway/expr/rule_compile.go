package expr

import (
	"bytes"
	"fmt"
	"slices"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// maxClauses bounds the clauses of a rule. Each use of a variable is compiled to the clauses of its value.
const maxClauses = 2000

// compileRule compiles source. It returns an error for expressions without a three-valued meaning. The error suggests
// a replacement.
func compileRule(source string) (*rule, error) {
	if _, err := compile(source, exprlang.AsBool()); err != nil { // checks the syntax and the type
		return nil, err
	}
	tree, err := parser.Parse(source)
	if err != nil {
		return nil, expressionError(wrongExpression, source, err)
	}
	if b, ok := tree.Node.(*ast.BinaryNode); ok && slices.Contains(arithmetic, b.Operator) {
		return nil, errorAt(wrongExpression, source, b.Location().From, "a condition is true or false, and "+b.Operator+" is neither")
	}
	c := &ruleCompiler{rule: &rule{source: source, fieldsRead: map[string]bool{}}}
	c.rule.root = c.clause(tree.Node, nil)
	if c.err != nil {
		return nil, c.err
	}
	if c.claims == 0 {
		return nil, fmt.Errorf("%s `%s`: it says nothing about claims: write order.customer_id == claims.sub", wrongExpression, source)
	}
	c.compareTexts(tree.Node)
	return c.rule, c.err
}

// ruleCompiler compiles a syntax tree to a rule.
type ruleCompiler struct {
	rule          *rule
	err           error // the first
	clauses       int
	claims        int // the number of their uses
	optionalDepth int // more than 0 within a node that handles a missing claim, such as x ?? y
}

// scope is a variable or a loop, and the scope around it. It resolves the names in a part of a rule.
type scope struct {
	outer *scope
	name  string // of the variable; "" for a loop
	value ast.Node
	depth int // of loops
}

func (s *scope) loops() int {
	if s == nil {
		return 0
	}
	return s.depth
}

// report sets the error, if it is the first, and returns a clause that is never true.
func (c *ruleCompiler) report(n ast.Node, format string, args ...any) clause {
	if c.err == nil {
		c.err = errorAt(wrongExpression, c.rule.source, n.Location().From, fmt.Sprintf(format, args...))
	}
	return constant{}
}

// computeHint is the hint for operations that a rule cannot compute.
const computeHint = "set a field by a transform on the route, and compare the field"

func (c *ruleCompiler) clause(node ast.Node, in *scope) clause {
	if c.clauses++; c.clauses > maxClauses {
		return c.report(node, "a rule has %d parts at most, and a variable counts wherever it is used", maxClauses)
	}
	switch n := node.(type) {
	case *ast.BoolNode:
		return constant{boolValue(n.Value)}
	case *ast.StringNode:
		return constant{value{kind: textual, text: []byte(n.Value)}}
	case *ast.IntegerNode:
		return constant{goValue(n.Value, false)}
	case *ast.FloatNode:
		return constant{goValue(n.Value, false)}
	case *ast.NilNode:
		return c.report(n, "a comparison with nil is always unknown here: write x == nil or x != nil")
	case *ast.ArrayNode:
		return c.list(n, in)
	case *ast.IdentifierNode, *ast.MemberNode, *ast.PointerNode:
		return c.access(node, in)
	case *ast.ChainNode:
		return c.clause(n.Node, in)
	case *ast.UnaryNode:
		return c.unary(n, in)
	case *ast.BinaryNode:
		return c.binary(n, in)
	case *ast.ConditionalNode:
		return conditional{c.clause(n.Cond, in), c.clause(n.Exp1, in), c.clause(n.Exp2, in)}
	case *ast.VariableDeclaratorNode:
		if slices.Contains([]string{claimsName, channelName, eventName, payloadName}, n.Name) {
			return c.report(n, "%s is a reserved name: call the variable something else", n.Name)
		}
		return c.clause(n.Expr, &scope{in, n.Name, n.Value, in.loops()})
	case *ast.BuiltinNode:
		return c.call(n, n.Name, n.Arguments, in)
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			return c.call(n, id.Value, n.Arguments, in)
		}
	}
	return c.report(node, "a rule cannot use this: "+computeHint)
}

// list compiles a list. It returns a constant if all elements are constants.
func (c *ruleCompiler) list(n *ast.ArrayNode, in *scope) clause {
	var all elements
	known := value{kind: listing}
	for _, e := range n.Nodes {
		one := c.clause(e, in)
		all.of = append(all.of, one)
		if k, ok := one.(constant); ok {
			known.items = append(known.items, k.v)
		}
	}
	if len(known.items) == len(all.of) {
		return constant{known}
	}
	return all
}

func (c *ruleCompiler) unary(n *ast.UnaryNode, in *scope) clause {
	switch n.Operator {
	case "!", "not":
		return not{c.clause(n.Node, in)}
	case "-":
		if k, ok := c.clause(n.Node, in).(constant); ok && k.v.kind == numeric {
			text := append([]byte("-"), k.v.text...)
			return constant{value{kind: numeric, text: bytes.TrimPrefix(text, []byte("--"))}}
		}
	}
	return c.report(n, "a rule cannot compute by %s: "+computeHint, n.Operator)
}
