package expr

import (
	"fmt"
	"slices"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// filterFunctions are the functions that a filter may call: the size of their work and result is bounded by their
// arguments. filter_shape.go bounds the arguments.
var filterFunctions = []string{"len", "lower", "upper", "trim", "trimPrefix", "trimSuffix", "int", "float", "string", "abs", "ceil", "floor", "round", "min", "max", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix", "first", "last", "get", "type", "coalesce"}

// CompileFilter compiles a condition of a client. It returns an error if the condition exceeds a bound (see cost.go),
// has a loop, or could make large values. So the time of an evaluation is bounded by the size of the event, and
// the result depends only on the event.
func CompileFilter(source string) (c Condition, err error) {
	if err := checkText(source); err != nil {
		return c, err
	}
	tree, err := parser.Parse(source)
	if err != nil {
		return c, expressionError(wrongExpression, source, err)
	}
	v := &filterVisitor{source: source}
	ast.Walk(&tree.Node, v)
	if len(v.lists) > 0 && v.err == nil {
		v.err = errorAt(wrongExpression, source, v.lists[0].Location().From, "a list [] "+wantIn)
	}
	if v.err != nil {
		return c, v.err
	}
	if err := checkTree(&tree.Node); err != nil {
		return c, err
	}
	m := &matcher{source: source}
	c.program, err = compile(source, append(m.options(), exprlang.AsBool(), exprlang.MaxNodes(maxNodes))...)
	if m.err != nil {
		return Condition{}, m.err
	}
	return c, err
}

// filterVisitor finds nodes that a filter may not have.
type filterVisitor struct {
	source string
	lists  []ast.Node // lists that are not the right side of in
	err    error      // the first
}

// Visit is part of [ast.Visitor].
func (v *filterVisitor) Visit(node *ast.Node) {
	if problem := v.shapeProblem(*node); problem != "" && v.err == nil {
		v.err = errorAt(wrongExpression, v.source, (*node).Location().From, problem)
	}
	what := ""
	switch n := (*node).(type) {
	case *ast.PredicateNode, *ast.PointerNode:
		what = "loops"
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		what = "variables"
	case *ast.BinaryNode:
		switch {
		case n.Operator == "..":
			what = "ranges"
		case n.Operator == "matches":
			if _, constant := n.Right.(*ast.StringNode); !constant {
				what = "patterns that are not written in it"
			}
		}
	case *ast.BuiltinNode:
		if !slices.Contains(filterFunctions, n.Name) {
			what = n.Name + "()"
		}
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); !ok || !slices.Contains(filterFunctions, id.Value) {
			what = "calls such as this"
			if ok {
				what = id.Value + "()"
			}
		}
	}
	if what != "" && v.err == nil {
		v.err = errorAt(wrongExpression, v.source, (*node).Location().From, fmt.Sprintf("a filter cannot use %s: it is evaluated for every event", what))
	}
}
