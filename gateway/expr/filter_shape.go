package expr

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
)

// textScanning are the functions and operators that scan a text. In a filter their first operand must not be larger
// than one value of the event.
var textScanning = []string{"lower", "upper", "trim", "trimPrefix", "trimSuffix", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix", "len", "matches", "contains", "startsWith", "endsWith"}

// sameSize are the functions that return a text or a part of their first argument.
var sameSize = []string{"lower", "upper", "trim", "trimPrefix", "trimSuffix", "get", "first", "last"}

// The hints for expressions that could make large values.
const (
	wantOneValue = "takes one field here, or a function such as lower() of one, and nothing that is put together"
	wantField    = "takes a field here: write string(order.id)"
	wantCutset   = "takes the characters to trim as a text that is written in the filter"
	wantIn       = "can be written in a filter only behind in, and of constants: status in [\"new\", \"paid\"]"
)

// shapeProblem returns the problem of a node that could make a value larger than those of the event, else "". It
// collects lists, and removes a list when it visits the operator in whose right side the list is.
func (v *filterVisitor) shapeProblem(node ast.Node) string {
	switch n := node.(type) {
	case *ast.ArrayNode:
		v.lists = append(v.lists, n)
	case *ast.MapNode:
		return "an object {} " + wantIn
	case *ast.BinaryNode:
		if list, ok := n.Right.(*ast.ArrayNode); ok && n.Operator == "in" && constants(list) {
			v.lists = slices.DeleteFunc(v.lists, func(l ast.Node) bool { return l == list })
		}
		if slices.Contains(textScanning, n.Operator) && !oneValue(n.Left) {
			return n.Operator + " " + wantOneValue
		}
	case *ast.BuiltinNode:
		return argumentProblem(n.Name, n.Arguments)
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			return argumentProblem(id.Value, n.Arguments)
		}
	}
	return ""
}

// argumentProblem returns the problem of the arguments of a call, else "".
func argumentProblem(name string, args []ast.Node) string {
	switch {
	case len(args) == 0:
	case name == "string" && !isPath(args[0]):
		return name + "() " + wantField
	case slices.Contains(textScanning, name) && !oneValue(args[0]):
		return name + "() " + wantOneValue
	case name == "trim" && len(args) > 1: // the time of trim is proportional to text times characters
		if _, literal := args[1].(*ast.StringNode); !literal {
			return name + "() " + wantCutset
		}
	}
	return ""
}

// constants reports whether a list has only constants.
func constants(list *ast.ArrayNode) bool {
	return !slices.ContainsFunc(list.Nodes, func(n ast.Node) bool {
		if u, ok := n.(*ast.UnaryNode); ok && u.Operator == "-" {
			n = u.Node
		}
		return !isConstant(n)
	})
}

func isConstant(node ast.Node) bool {
	switch node.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode:
		return true
	}
	return false
}

// isPath reports whether a node is a field, or a part of one.
func isPath(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		return true
	case *ast.MemberNode:
		return isPath(n.Node)
	case *ast.ChainNode:
		return isPath(n.Node)
	case *ast.SliceNode:
		return isPath(n.Node)
	case *ast.BuiltinNode:
		return slices.Contains([]string{"get", "first", "last"}, n.Name) && len(n.Arguments) > 0 && isPath(n.Arguments[0])
	}
	return false
}

// oneValue reports whether the result of a node is at most as large as one value of the event or of the filter.
// Such a node selects, cuts or maps a value, and joins no values.
func oneValue(node ast.Node) bool {
	if isPath(node) || isConstant(node) {
		return true
	}
	switch n := node.(type) {
	case *ast.MemberNode:
		return oneValue(n.Node)
	case *ast.ChainNode:
		return oneValue(n.Node)
	case *ast.SliceNode:
		return oneValue(n.Node)
	case *ast.BinaryNode:
		return n.Operator == "??" && oneValue(n.Left) && oneValue(n.Right)
	case *ast.ConditionalNode:
		return oneValue(n.Exp1) && oneValue(n.Exp2)
	case *ast.BuiltinNode:
		return len(n.Arguments) > 0 && (n.Name == "string" && isPath(n.Arguments[0]) || slices.Contains(sameSize, n.Name) && oneValue(n.Arguments[0]))
	case *ast.CallNode:
		id, ok := n.Callee.(*ast.IdentifierNode)
		return ok && id.Value == "coalesce" && !slices.ContainsFunc(n.Arguments, func(a ast.Node) bool { return !oneValue(a) })
	}
	return false
}

// maxMatched bounds the text that a filter matches with a pattern, in bytes.
const maxMatched = 64 << 10

// matchName is the function that replaces the operator matches in filters. Expressions cannot contain this name.
const matchName = "$match"

// matcher replaces the operator matches by a function that bounds the text.
type matcher struct {
	source   string
	patterns []*regexp.Regexp
	err      error // the first
}

// Visit is part of [ast.Visitor].
func (m *matcher) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.BinaryNode)
	if !ok || n.Operator != "matches" {
		return
	}
	pattern, err := regexp.Compile(n.Right.(*ast.StringNode).Value) // filterVisitor has checked it
	if err != nil && m.err == nil {
		m.err = errorAt(wrongExpression, m.source, n.Location().From, err.Error())
	}
	m.patterns = append(m.patterns, pattern)
	call := &ast.CallNode{Callee: &ast.IdentifierNode{Value: matchName}, Arguments: []ast.Node{n.Left, &ast.IntegerNode{Value: len(m.patterns) - 1}}}
	call.SetLocation(n.Location())
	ast.Patch(node, call)
}

// options returns the compiler options that install the function.
func (m *matcher) options() []exprlang.Option {
	return []exprlang.Option{exprlang.Patch(m), exprlang.Function(matchName, m.match, new(func(string, int) bool))}
}

// match reports whether a text matches the pattern with a number. nil matches no pattern.
func (m *matcher) match(args ...any) (any, error) {
	switch text := args[0].(type) {
	case nil:
		return false, nil
	case string:
		if len(text) > maxMatched {
			return nil, fmt.Errorf("a text of %d bytes is too long for matches in a filter, which takes %d", len(text), maxMatched)
		}
		return m.patterns[args[1].(int)].MatchString(text), nil
	}
	return nil, errors.New("matches takes a text")
}
