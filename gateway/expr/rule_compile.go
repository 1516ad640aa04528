package expr

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"

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
		return c.report(n, "nil equals nothing here: ask for it by == nil or != nil")
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
			return c.report(n, "%s has a meaning already: call the variable something else", n.Name)
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
		return both{c.clause(n.Left, in), c.clause(n.Right, in)}
	case "||", "or":
		return either{c.clause(n.Left, in), c.clause(n.Right, in)}
	case "??":
		return otherwise{c.asks(n.Left, in), c.clause(n.Right, in)}
	case "..":
		return c.report(n, "a rule has no ranges: write x >= 1 && x <= 9")
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
				return c.report(n, "a rule compares no lists: write in, any() or all()")
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
			one = either{all, one}
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

// index is the step to the element of a list that an integer names.
func index(n int) clause {
	return constant{value{kind: numeric, text: strconv.AppendInt(nil, int64(n), 10)}}
}
