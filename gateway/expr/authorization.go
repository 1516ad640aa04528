package expr

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"eventgateway/gateway/event"
)

// claimsName stands for what a client has proved to be.
const claimsName = "claims"

// Authorization is a condition over an event and the claims of a client: `order.customer_id
// == claims.sub`. As an option it is read from text.
type Authorization struct {
	source string
	// An equality with one claim is looked up: key is its other side, which is
	// evaluated once for each event, and claim the path of the claim.
	key   Expression
	claim []string
}

// OptionType names the type in tables.
func (Authorization) OptionType() string { return "condition over claims" }

// IsZero says whether there is none.
func (a Authorization) IsZero() bool { return a.source == "" }

func (a Authorization) String() string { return a.source }

// UnmarshalText compiles text, for package options.
func (a *Authorization) UnmarshalText(text []byte) error {
	a.source = string(text)
	if _, _, err := a.For(map[string]any{}); err != nil {
		return err
	}
	tree, err := parser.Parse(a.source)
	if err != nil {
		return readable(wrongExpression, a.source, err)
	}
	counted := &counter{}
	ast.Walk(&tree.Node, counted)
	if counted.claims == 0 {
		return fmt.Errorf("%s `%s`: it says nothing about claims: write order.customer_id == claims.sub", wrongExpression, a.source)
	}
	equal, ok := tree.Node.(*ast.BinaryNode)
	if ok && slices.Contains(arithmetic, equal.Operator) {
		return at(wrongExpression, a.source, equal.Location().From, "a condition is true or false, and "+equal.Operator+" is neither")
	}
	if !ok || equal.Operator != "==" || counted.claims != 1 {
		return nil
	}
	for _, sides := range [][2]ast.Node{{equal.Left, equal.Right}, {equal.Right, equal.Left}} {
		if path := claimPath(sides[1]); path != nil {
			a.claim = path
			a.key, err = Compile(sides[0].String())
			return err
		}
	}
	return nil
}

// counter counts where claims are named.
type counter struct{ claims int }

// Visit is part of [ast.Visitor].
func (c *counter) Visit(node *ast.Node) {
	if id, ok := (*node).(*ast.IdentifierNode); ok && id.Value == claimsName {
		c.claims++
	}
}

// claimPath returns a, b of the node claims.a.b; nil where it is another.
func claimPath(node ast.Node) (path []string) {
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

// Claim returns the claim that a is an equality with, as text; "" where the client has no
// such claim. It says false where a is no such equality: then [Authorization.For] tells.
func (a Authorization) Claim(claims map[string]any) (text string, keyed bool) {
	if a.claim == nil {
		return "", false
	}
	var v any = claims
	for _, name := range a.claim {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	if n, ok := v.(json.Number); ok { // with all its digits
		return n.String(), true
	}
	b, err := AppendText(nil, plainNumber(v))
	if err != nil {
		return "", true
	}
	return string(b), true
}

// Key returns the other side of the equality for an event, as text; "" where the event has
// none: then nobody may see it.
func (x *Evaluator) Key(dst []byte, a Authorization, ev *event.Event) []byte {
	text, _, err := x.Text(dst, a.key, ev)
	if err != nil {
		return dst[:0]
	}
	return text
}

// For returns the condition for a client with claims, which stand in it as constants; and
// whether the client has all that are named. Where it has not the condition says nothing:
// what is not there would be equal to what an event does not have.
func (a Authorization) For(claims map[string]any) (c Condition, complete bool, err error) {
	v := &constants{claims: claims, complete: true}
	c.program, err = compile(a.source, exprlang.AsBool(), exprlang.Patch(v))
	return c, v.complete, err
}

// constants puts claims in the place of their names.
type constants struct {
	claims   map[string]any
	complete bool
}

// Visit is part of [ast.Visitor]. Children come first: a chain is replaced from its root.
func (c *constants) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == claimsName {
			ast.Patch(node, &ast.ConstantNode{Value: c.claims})
		}
	case *ast.MemberNode:
		of, ok := n.Node.(*ast.ConstantNode)
		name, named := n.Property.(*ast.StringNode)
		if !ok || !named {
			return
		}
		m, _ := of.Value.(map[string]any)
		value := plainNumber(m[name.Value])
		c.complete = c.complete && value != nil
		ast.Patch(node, &ast.ConstantNode{Value: value})
	}
}

// plainNumber makes a number of JSON what numbers are in this language: an integer where it
// is one.
func plainNumber(v any) any {
	switch t := v.(type) {
	case json.Number:
		if n, err := t.Int64(); err == nil && !strings.ContainsAny(t.String(), ".eE") {
			return int(n)
		}
		f, _ := t.Float64()
		return f
	case float64:
		if t == float64(int(t)) {
			return int(t)
		}
	}
	return v
}
