package expr

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// Conjunct is one of the conditions a, b and c of a && b && c. The whole is true for an event if and only if each conjunct
// is true. Conjuncts with equal IDs are true for the same events.
type Conjunct struct {
	ID     string
	clause clause    // of a rule
	of     Condition // of which it is a part
}

// Conjuncts returns the conjuncts of a filter, or of a rule with the claims of a client, in order. A condition without && has
// one. An ID is "" where it is not known whether another condition is the same.
func (c Condition) Conjuncts() (all []Conjunct) {
	if c.program == nil {
		return nil
	}
	r := c.program.clientRule
	if r == nil {
		for _, text := range splitFilter(c.program.source) {
			all = append(all, Conjunct{ID: text, of: c})
		}
		return all
	}
	for _, part := range splitClause(r.root) {
		id := ""
		if text, ok := appendClause(nil, part); ok {
			sum := sha256.Sum256(fmt.Appendf(nil, "%q%s", r.rule.source, text))
			id = "\x00" + string(sum[:]) // no filter begins with a zero byte
		}
		all = append(all, Conjunct{id, part, c})
	}
	return all
}

// Condition compiles the conjunct.
func (j Conjunct) Condition() (Condition, error) {
	if r := j.of.program.clientRule; r != nil {
		return Condition{&program{source: j.of.program.source, onlyLookup: -1, clientRule: &clientRule{rule: r.rule, claims: r.claims, root: j.clause}}}, nil
	}
	if j.ID == j.of.program.source {
		return j.of, nil
	}
	return CompileFilter(j.ID)
}

// splitFilter returns the texts of the conjuncts of a filter.
func splitFilter(source string) []string {
	source = strings.TrimSpace(source)
	tree, err := parser.Parse(source)
	if err != nil {
		return []string{source} // cannot happen: the filter was compiled
	}
	n, ok := tree.Node.(*ast.BinaryNode)
	if !ok || n.Operator != "&&" && n.Operator != "and" {
		return []string{source}
	}
	runes := []rune(source)
	at, end := n.Location().From, n.Location().From+len(n.Operator)
	if end > len(runes) || string(runes[at:end]) != n.Operator {
		return []string{source}
	}
	left, right := string(runes[:at]), string(runes[end:])
	for text, want := range map[string]ast.Node{left: n.Left, right: n.Right} { // (a && b) is one conjunct
		if part, err := parser.Parse(text); err != nil || ast.Dump(part.Node) != ast.Dump(want) {
			return []string{source}
		}
	}
	return slices.Concat(splitFilter(left), splitFilter(right))
}

// splitClause returns the conjuncts of a clause.
func splitClause(c clause) []clause {
	if j, ok := c.(logical); ok && !j.decisive {
		return slices.Concat(splitClause(j.left), splitClause(j.right))
	}
	return []clause{c}
}

// appendClause appends a text of a clause. Clauses of one rule with equal texts have equal values for each event. ok is
// false if the clause has no such text, because it reads claims as a whole.
func appendClause(b []byte, c clause) (_ []byte, ok bool) {
	parts := []clause{}
	name := ""
	switch c := c.(type) {
	case constant:
		return appendValue(append(b, "constant "...), c.v), true
	case inSet:
		b = append(b, "set"...)
		for i := range c.set.keys {
			b = appendValue(b, c.set.item(i))
		}
		name, parts = fmt.Sprint(c.set.has, c.set.incomparable), []clause{c.left}
	case channelOf:
		name = "channel"
	case eventMember:
		name = "event " + c.name
	case attribute:
		name = "attribute " + strconv.Quote(c.name)
	case loopElement:
		name = fmt.Sprint("element ", c.depth)
	case field:
		name = fmt.Sprintf("field %#v", c.steps)
	case path:
		name, parts = "path", []clause{c.from}
		for _, s := range c.steps {
			name, parts = fmt.Sprint(name, s.optional), append(parts, s.key)
		}
	case not:
		name, parts = "not", []clause{c.of}
	case logical:
		name, parts = fmt.Sprint("logical ", c.decisive), []clause{c.left, c.right}
	case conditional:
		name, parts = "conditional", []clause{c.when, c.yes, c.no}
	case isNull:
		name, parts = "null", []clause{c.of}
	case fallback:
		name, parts = "fallback", []clause{c.left, c.right}
	case unaryCall:
		name, parts = "call "+c.name, []clause{c.of}
	case binaryCall:
		name, parts = "call2 "+c.name, []clause{c.left, c.right}
	case elements:
		name, parts = "list", c.of
	case match:
		name, parts = "match "+strconv.Quote(c.pattern.String()), []clause{c.of}
	case loop:
		name, parts = fmt.Sprint("loop ", c.depth, c.decisive), []clause{c.list, c.body}
	default:
		return b, false
	}
	b = append(append(b, name...), '(')
	for _, part := range parts {
		if b, ok = appendClause(b, part); !ok {
			return b, false
		}
		b = append(b, ',')
	}
	return append(b, ')'), true
}

// appendValue appends a text that identifies a value: no other value has it.
func appendValue(b []byte, v value) []byte {
	b = strconv.AppendBool(strconv.AppendInt(append(b, '<'), int64(v.kind), 10), v.truth)
	b = strconv.AppendQuote(b, string(v.text))
	for _, item := range v.items {
		b = appendValue(b, item)
	}
	for _, name := range slices.Sorted(maps.Keys(v.members)) {
		b = appendValue(strconv.AppendQuote(b, name), v.members[name])
	}
	return append(b, '>')
}
