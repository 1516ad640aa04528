package expr

import (
	"bytes"
	"fmt"
	"slices"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// maxClauses bounds a rule: a variable stands for what it holds wherever it is used.
const maxClauses = 2000

// compileRule compiles source. It refuses all that it does not know a three-valued meaning
// of, and says what to write instead.
func compileRule(source string) (*rule, error) {
	if _, err := compile(source, exprlang.AsBool()); err != nil { // it is in the language, and true or false
		return nil, err
	}
	tree, err := parser.Parse(source)
	if err != nil {
		return nil, readable(wrongExpression, source, err)
	}
	if b, ok := tree.Node.(*ast.BinaryNode); ok && slices.Contains(arithmetic, b.Operator) {
		return nil, at(wrongExpression, source, b.Location().From, "a condition is true or false, and "+b.Operator+" is neither")
	}
	c := &ruleCompiler{rule: &rule{source: source, reads: map[string]bool{}}}
	c.rule.root = c.clause(tree.Node, nil)
	if c.wrong != nil {
		return nil, c.wrong
	}
	if c.claims == 0 {
		return nil, fmt.Errorf("%s `%s`: it says nothing about claims: write order.customer_id == claims.sub", wrongExpression, source)
	}
	c.equality(tree.Node)
	return c.rule, c.wrong
}

// ruleCompiler makes a rule of a syntax tree.
type ruleCompiler struct {
	rule    *rule
	wrong   error // the first
	clauses int
	claims  int // how often they are named
	asked   int // more than 0 within what asks on purpose whether a claim is missing
}

// scope is what the names in a part of a rule mean: variables, and the element of a loop.
type scope struct {
	outer *scope
	name  string // of the variable; "" is a loop
	held  ast.Node
	depth int // of loops
}

func (s *scope) loops() int {
	if s == nil {
		return 0
	}
	return s.depth
}

// report notes what is wrong at a node, and returns a clause that is never true.
func (c *ruleCompiler) report(n ast.Node, format string, args ...any) clause {
	if c.wrong == nil {
		c.wrong = at(wrongExpression, c.rule.source, n.Location().From, fmt.Sprintf(format, args...))
	}
	return constant{}
}

// toCompute is what to do about what a rule cannot compute.
const toCompute = "set a field by a transform on the route, and compare the field"

func (c *ruleCompiler) clause(node ast.Node, in *scope) clause {
	if c.clauses++; c.clauses > maxClauses {
		return c.report(node, "a rule has %d parts at most, and a variable counts wherever it is used", maxClauses)
	}
	switch n := node.(type) {
	case *ast.BoolNode:
		return constant{truth(n.Value)}
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
		return choice{c.clause(n.Cond, in), c.clause(n.Exp1, in), c.clause(n.Exp2, in)}
	case *ast.VariableDeclaratorNode:
		if slices.Contains([]string{claimsName, eventName, payloadName}, n.Name) {
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
	return c.report(node, "a rule cannot use this: "+toCompute)
}

// list compiles a list, to a constant where all of it is.
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
	return c.report(n, "a rule cannot compute by %s: "+toCompute, n.Operator)
}
