package expr

import (
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// filterTerms returns the sets of terms of a filter.
func filterTerms(source string) TermSets {
	tree, err := parser.Parse(source)
	if err != nil {
		return nil // cannot happen: the filter was compiled
	}
	return nodeTerms(tree.Node, true)
}

// nodeTerms returns the sets of terms that hold where the value of a node is the boolean want. An error of the
// evaluation is neither.
func nodeTerms(node ast.Node, want bool) TermSets {
	switch n := node.(type) {
	case *ast.BoolNode:
		if n.Value != want {
			return never
		}
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			return nodeTerms(n.Node, !want)
		}
	case *ast.ConditionalNode:
		return either(nodeTerms(n.Exp1, want), nodeTerms(n.Exp2, want))
	case *ast.BinaryNode:
		return operatorTerms(n, want)
	case *ast.IdentifierNode, *ast.MemberNode, *ast.ChainNode:
		if steps, ok := fieldSteps(node); ok {
			return fieldIn(steps, boolKey(want))
		}
	}
	return nil
}

func operatorTerms(n *ast.BinaryNode, want bool) TermSets {
	switch n.Operator {
	case "||", "or", "&&", "and":
		left, right := nodeTerms(n.Left, want), nodeTerms(n.Right, want)
		if decisive := n.Operator == "||" || n.Operator == "or"; decisive == want {
			return either(left, right)
		}
		return both(left, right)
	case "==", "!=":
		if want != (n.Operator == "==") {
			return nil
		}
		for _, sides := range [2][2]ast.Node{{n.Left, n.Right}, {n.Right, n.Left}} {
			steps, isField := fieldSteps(sides[0])
			if k, ok := constantKey(sides[1]); ok && isField {
				return fieldIn(steps, k)
			}
		}
	case "in":
		list, isList := n.Right.(*ast.ArrayNode)
		steps, isField := fieldSteps(n.Left)
		if !want || !isList || !isField {
			return nil
		}
		var keys []Key
		for _, item := range list.Nodes {
			k, ok := constantKey(item)
			if !ok || k == TextKey(nil) || k == numberKey(0) { // for the language, nil is in [""] and in [0]
				return nil
			}
			keys = append(keys, k)
		}
		return fieldIn(steps, keys...)
	}
	return nil
}

// constantKey returns the key of a constant other than nil.
func constantKey(node ast.Node) (Key, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return TextKey([]byte(n.Value)), true
	case *ast.BoolNode:
		return boolKey(n.Value), true
	}
	f, ok := constantNumber(node)
	return numberKey(f), ok
}

func constantNumber(node ast.Node) (float64, bool) {
	switch n := node.(type) {
	case *ast.IntegerNode:
		return float64(n.Value), true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.UnaryNode:
		if f, ok := constantNumber(n.Node); ok && n.Operator == "-" {
			return -f, true
		}
	}
	return 0, false
}

// fieldSteps returns the steps of a node that is a field of the payload.
func fieldSteps(node ast.Node) (steps []step, ok bool) {
	for {
		switch n := node.(type) {
		case *ast.ChainNode:
			node = n.Node
		case *ast.MemberNode:
			name, ok := n.Property.(*ast.StringNode)
			if !ok { // an element; the language indexes texts, too
				return nil, false
			}
			steps = append(steps, step{name: name.Value})
			node = n.Node
		case *ast.IdentifierNode:
			switch n.Value {
			case eventName:
				return nil, false
			case payloadName:
			default:
				steps = append(steps, step{name: n.Value})
			}
			slices.Reverse(steps)
			return steps, len(steps) > 0
		default:
			return nil, false
		}
	}
}
