package expr

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

// unaryFunctions are the functions of one value that a rule may call, and binaryFunctions those of two. The
// result for a value of another kind is unknown.
var unaryFunctions = map[string]func(value) value{
	"len":    length,
	"lower":  textFunction(bytes.ToLower),
	"upper":  textFunction(bytes.ToUpper),
	"trim":   textFunction(bytes.TrimSpace),
	"hash":   func(v value) value { return hashText(toText(v)) },
	"string": toText,
	"int":    toInteger,
	"float":  toNumber,
	"first":  func(v value) value { return end(v, 0) },
	"last":   func(v value) value { return end(v, len(v.items)-1) },
}

var binaryFunctions = map[string]func(a, b value) value{
	"hasPrefix": textPredicate(bytes.HasPrefix),
	"hasSuffix": textPredicate(bytes.HasSuffix),
	"split":     split,
	"hash": func(v, key value) value {
		if v = toText(v); v.kind != textual || key.kind != textual {
			return value{}
		}
		return textValue([]byte(HMAC(string(key.text), v.text)))
	},
}

var hashText = textFunction(func(b []byte) []byte { return []byte(Hash(b)) })

// loopNames are the functions over the elements of a list that rules cannot use.
var loopNames = []string{"one", "count", "find", "findIndex", "findLast", "findLastIndex", "filter", "map", "sum", "groupBy", "sortBy", "reduce"}

func (c *ruleCompiler) call(n ast.Node, name string, args []ast.Node, in *scope) clause {
	f, unary := unaryFunctions[name]
	g, binary := binaryFunctions[name]
	switch {
	case slices.Contains([]string{"any", "all", "none"}, name) && len(args) == 2:
		return c.loop(name, args, in)
	case name == "get" && len(args) == 2:
		return path{c.getArgument(args[0], args[1], in), []pathStep{{c.clause(args[1], in), true}}}
	case name == "coalesce" && len(args) > 0:
		last := len(args) - 1
		all := c.optional(args[last], in)
		for i := range last {
			all = fallback{c.optional(args[last-1-i], in), all}
		}
		return all
	case unary && len(args) == 1:
		return unaryCall{name, f, c.clause(args[0], in)}
	case binary && len(args) == 2:
		return binaryCall{name, g, c.clause(args[0], in), c.clause(args[1], in)}
	case slices.Contains(loopNames, name):
		return c.report(n, "a rule cannot use %s(): write any(), all() or none() with the comparison in it", name)
	case name == "type":
		return c.report(n, "a rule cannot use type(): write x == nil to ask whether something is missing")
	case name == "keys":
		return c.report(n, `a rule cannot use keys(): write "x" in object`)
	case unary || binary:
		return c.report(n, "a rule cannot use %s() with %d arguments: "+computeHint, name, len(args))
	}
	return c.report(n, "a rule cannot use %s(): "+computeHint, name)
}

func (c *ruleCompiler) loop(name string, args []ast.Node, in *scope) clause {
	body, ok := args[1].(*ast.PredicateNode)
	if !ok {
		return c.report(args[1], "a rule cannot use this: write a condition over #")
	}
	inner := &scope{outer: in, depth: in.loops() + 1}
	c.rule.depth = max(c.rule.depth, inner.depth)
	l := loop{list: c.clause(args[0], in), body: c.clause(body.Node, inner), depth: in.loops(), decisive: name != "all"}
	if name == "none" {
		return not{l}
	}
	return l
}

func textFunction(f func([]byte) []byte) func(value) value {
	return func(v value) value {
		if v.kind != textual {
			return value{}
		}
		return textValue(f(v.text))
	}
}

func textPredicate(f func(a, b []byte) bool) func(a, b value) value {
	return func(a, b value) value {
		if a.kind != textual || b.kind != textual {
			return value{}
		}
		return boolValue(f(a.text, b.text))
	}
}

func length(v value) value {
	switch v.kind {
	case textual:
		return goValue(utf8.RuneCount(v.text), false)
	case listing:
		return goValue(len(v.items), false)
	case mapping:
		return goValue(len(v.members), false)
	}
	return value{}
}

// toText returns the text of a value. A number is written in its normal form.
func toText(v value) value {
	switch v.kind {
	case textual:
		return v
	case boolean:
		return textValue([]byte(map[bool]string{true: "true", false: "false"}[v.truth]))
	case numeric:
		if text, ok := appendNumber(nil, v.text); ok {
			return textValue(text)
		}
	}
	return value{}
}

// toNumber returns a number, or the number that a text denotes in JSON.
func toNumber(v value) value {
	if v.kind == textual || v.kind == numeric {
		if _, ok := parseDecimal(v.text); ok {
			return value{kind: numeric, text: v.text}
		}
	}
	return value{}
}

func toInteger(v value) value {
	n := toNumber(v)
	if d, ok := parseDecimal(n.text); ok && d.isInteger() {
		return n
	}
	return value{}
}

// equalTexts compares two values. It compares a number with a text by the number's normal form.
func equalTexts(a, b value) value {
	if a.kind == textual && b.kind == numeric {
		a, b = b, a
	}
	if a.kind != numeric || b.kind != textual {
		return equals(a, b)
	}
	var buf [64]byte
	text, ok := appendNumber(buf[:0], a.text)
	if !ok {
		return value{}
	}
	return boolValue(bytes.Equal(text, b.text))
}

// end returns the element at an index of a list, or null if the list is empty.
func end(v value, at int) value {
	switch {
	case v.kind != listing:
		return value{}
	case len(v.items) == 0:
		return value{kind: null}
	}
	return v.items[at]
}

func split(v, by value) value {
	if v.kind != textual || by.kind != textual || len(by.text) == 0 {
		return value{}
	}
	all := value{kind: listing}
	for part := range bytes.SplitSeq(v.text, by.text) {
		all.items = append(all.items, textValue(part))
	}
	return all
}
