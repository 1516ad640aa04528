package expr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// getName is the function that replaces lookups in a program. Expressions cannot contain this name.
const getName = "$get"

// rewriter replaces chains of members by lookups. The language's walk visits children
// first, so a chain grows from its root.
type rewriter struct {
	program     *program
	originals   map[ast.Node]ast.Node // the nodes that lookups have replaced
	lookupNames map[ast.Node]bool     // of the calls of getName, which must not be replaced: 1 < a.b < 9 visits a.b twice
	err         error                 // the first
}

// Visit is part of [ast.Visitor].
func (r *rewriter) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		r.name(node, n)
	case *ast.MemberNode:
		r.member(node, n)
	case *ast.CallNode:
		r.call(n)
	case *ast.VariableDeclaratorNode: // uses of the variable do not read the payload
		ast.Walk(&n.Expr, undo{r, n.Name})
	}
}

func (r *rewriter) report(n ast.Node, format string, args ...any) {
	if r.err == nil {
		r.err = errorAt(wrongExpression, r.program.source, n.Location().From, fmt.Sprintf(format, args...))
	}
}

func (r *rewriter) name(node *ast.Node, n *ast.IdentifierNode) {
	switch {
	case r.lookupNames[n], n.Value == matchName:
	case strings.HasPrefix(n.Value, "$"): // $env is the language's name for all names at once
		r.report(n, "there is no %s; payload is the whole payload", n.Value)
	case n.Value == eventName:
		r.replace(node, lookup{root: eventName})
	case n.Value == payloadName:
		r.replace(node, lookup{root: payloadName, nodes: []int{0}})
	default:
		l := lookup{root: n.Value, nodes: []int{0}}
		r.replace(node, r.extend(l, step{name: n.Value}))
	}
}

// extend returns l with one more step.
func (r *rewriter) extend(l lookup, s step) lookup {
	l.steps = append(slices.Clone(l.steps), s)
	if l.root == eventName {
		return l
	}
	of := l.nodes[len(l.nodes)-1]
	id := 0
	if s.element {
		id = r.program.tree.Element(of, s.index)
	} else {
		id = r.program.tree.Member(of, s.name)
	}
	l.nodes = append(slices.Clone(l.nodes), id)
	return l
}

func (r *rewriter) member(node *ast.Node, n *ast.MemberNode) {
	number, ok := lookupOf(n.Node)
	if !ok {
		return
	}
	s := step{optional: n.Optional}
	switch p := n.Property.(type) {
	case *ast.StringNode:
		s.name = p.Value
	case *ast.IntegerNode:
		if p.Value < 0 {
			return
		}
		s.element, s.index = true, p.Value
	default: // known at run time only
		return
	}
	l := r.program.lookups[number]
	if l.root == eventName && len(l.steps) == 0 && !slices.Contains(eventFields, s.name) {
		r.report(n, "event has no %s; it has %s", s.name, strings.Join(eventFields, ", "))
		return
	}
	r.replace(node, r.extend(l, s))
}

// replace replaces node by a lookup.
func (r *rewriter) replace(node *ast.Node, l lookup) {
	at := slices.IndexFunc(r.program.lookups, l.same)
	if at < 0 {
		at = len(r.program.lookups)
		r.program.lookups = append(r.program.lookups, l)
	}
	name := &ast.IdentifierNode{Value: getName}
	r.lookupNames[name] = true
	call := &ast.CallNode{Callee: name, Arguments: []ast.Node{&ast.IntegerNode{Value: at}}}
	r.originals[call] = *node
	ast.Patch(node, call)
	call.SetLocation(r.originals[call].Location())
}

// lookupOf returns the number of the lookup that node is.
func lookupOf(node ast.Node) (int, bool) {
	call, ok := node.(*ast.CallNode)
	if !ok {
		return 0, false
	}
	if id, ok := call.Callee.(*ast.IdentifierNode); !ok || id.Value != getName {
		return 0, false
	}
	return call.Arguments[0].(*ast.IntegerNode).Value, true
}

// call restores the name of a function, and reports an unknown one. The compiler does not report it, because it
// allows undefined names.
func (r *rewriter) call(n *ast.CallNode) {
	original, replaced := r.originals[n.Callee]
	if !replaced {
		return
	}
	id, ok := original.(*ast.IdentifierNode)
	if !ok {
		r.report(n, "fields cannot be called")
		return
	}
	if !slices.Contains(functionNames, id.Value) {
		r.report(id, "there is no function %s", id.Value)
	}
	n.Callee = id
}

// undo restores the nodes that lookups with a root called name have replaced.
type undo struct {
	r    *rewriter
	name string
}

// Visit is part of [ast.Visitor].
func (u undo) Visit(node *ast.Node) { *node = u.restore(*node) }

func (u undo) restore(n ast.Node) ast.Node {
	at, ok := lookupOf(n)
	if !ok || u.r.program.lookups[at].root != u.name {
		return n
	}
	original := u.r.originals[n]
	if m, ok := original.(*ast.MemberNode); ok {
		m.Node = u.restore(m.Node)
	}
	return original
}
