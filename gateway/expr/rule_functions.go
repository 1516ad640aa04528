package expr

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

// ofOne are the functions of one value that a rule may call, and ofTwo those of two. What
// they are not made for is unknown.
var ofOne = map[string]func(value) value{
	"len":    length,
	"lower":  ofText(bytes.ToLower),
	"upper":  ofText(bytes.ToUpper),
	"trim":   ofText(bytes.TrimSpace),
	"hash":   func(v value) value { return hashText(toText(v)) },
	"string": toText,
	"int":    toInteger,
	"float":  toNumber,
	"first":  func(v value) value { return end(v, 0) },
	"last":   func(v value) value { return end(v, len(v.items)-1) },
}

var ofTwo = map[string]func(a, b value) value{
	"hasPrefix": ofTexts(bytes.HasPrefix),
	"hasSuffix": ofTexts(bytes.HasSuffix),
	"split":     split,
	"hash": func(v, key value) value {
		if v = toText(v); v.kind != textual || key.kind != textual {
			return value{}
		}
		return textValue([]byte(HMAC(string(key.text), v.text)))
	},
}

var hashText = ofText(func(b []byte) []byte { return []byte(Hash(b)) })

// loopNames are the functions that look at the elements of a list one by one.
var loopNames = []string{"one", "count", "find", "findIndex", "findLast", "findLastIndex", "filter", "map", "sum", "groupBy", "sortBy", "reduce"}

func (c *ruleCompiler) call(n ast.Node, name string, args []ast.Node, in *scope) clause {
	f, ofOne := ofOne[name]
	g, ofTwo := ofTwo[name]
	switch {
	case slices.Contains([]string{"any", "all", "none"}, name) && len(args) == 2:
		return c.loop(name, args, in)
	case name == "get" && len(args) == 2:
		return path{c.getFrom(args[0], args[1], in), []pathStep{{c.clause(args[1], in), true}}}
	case name == "coalesce" && len(args) > 0:
		last := len(args) - 1
		all := c.asks(args[last], in)
		for i := range last {
			all = otherwise{c.asks(args[last-1-i], in), all}
		}
		return all
	case ofOne && len(args) == 1:
		return apply{f, c.clause(args[0], in)}
	case ofTwo && len(args) == 2:
		return apply2{g, c.clause(args[0], in), c.clause(args[1], in)}
	case slices.Contains(loopNames, name):
		return c.report(n, "a rule cannot use %s(): write any(), all() or none() with the comparison in it", name)
	case name == "type":
		return c.report(n, "a rule cannot use type(): write x == nil to ask whether something is missing")
	case name == "keys":
		return c.report(n, `a rule cannot use keys(): write "x" in object`)
	case ofOne || ofTwo:
		return c.report(n, "a rule cannot use %s() with %d arguments: "+toCompute, name, len(args))
	}
	return c.report(n, "a rule cannot use %s(): "+toCompute, name)
}

func (c *ruleCompiler) loop(name string, args []ast.Node, in *scope) clause {
	body, ok := args[1].(*ast.PredicateNode)
	if !ok {
		return c.report(args[1], "a rule cannot use this: write a condition over #")
	}
	inner := &scope{outer: in, depth: in.loops() + 1}
	c.rule.depth = max(c.rule.depth, inner.depth)
	l := loop{list: c.clause(args[0], in), body: c.clause(body.Node, inner), depth: in.loops(), ends: name != "all"}
	if name == "none" {
		return not{l}
	}
	return l
}

func ofText(f func([]byte) []byte) func(value) value {
	return func(v value) value {
		if v.kind != textual {
			return value{}
		}
		return textValue(f(v.text))
	}
}

func ofTexts(f func(a, b []byte) bool) func(a, b value) value {
	return func(a, b value) value {
		if a.kind != textual || b.kind != textual {
			return value{}
		}
		return truth(f(a.text, b.text))
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

// toText writes a number in the one way that all its writings share.
func toText(v value) value {
	switch v.kind {
	case textual:
		return v
	case boolean:
		return textValue([]byte(map[bool]string{true: "true", false: "false"}[v.yes]))
	case numeric:
		if text, ok := appendNumber(nil, v.text); ok {
			return textValue(text)
		}
	}
	return value{}
}

// toNumber reads a text as JSON does.
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
	if d, ok := parseDecimal(n.text); ok && d.integer() {
		return n
	}
	return value{}
}

// equalTexts compares a number with a text as the text that it is written as.
func equalTexts(a, b value) value {
	if a.kind == numeric && b.kind == textual {
		a = toText(a)
	} else if a.kind == textual && b.kind == numeric {
		b = toText(b)
	}
	return equals(a, b)
}

// end returns the first or last element of a list; null where it is empty.
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
