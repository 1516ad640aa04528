package expr

import (
	"fmt"
	"regexp/syntax"

	"github.com/expr-lang/expr/ast"
)

// Bounds of a client's expression. Together they bound the cost of one
// evaluation per byte that it reads. The expressions of the configuration
// are not bounded.
const (
	// MaxFilterText is the maximum length of the text, in bytes.
	MaxFilterText = 1024
	// maxNodes bounds operators, operands and calls.
	maxNodes = 200
	// maxNesting bounds the nesting of brackets.
	maxNesting = 20
	// maxAdditions bounds the operators +, because they join texts: a + a + a is longer than a.
	maxAdditions = 2
	// maxPatterns bounds the patterns of matches, and maxInstructions the total size of their programs: the time
	// of a match is proportional to the text and to the program.
	maxPatterns     = 5
	maxInstructions = 300
)

// tooCostly returns the error of an expression that exceeds a bound.
func tooCostly(found int, what string, limit int, hint string) error {
	return fmt.Errorf("this filter costs too much: at most %d %s are allowed, and it has %d: %s", limit, what, found, hint)
}

// checkText checks the bounds that are known before an expression is parsed.
func checkText(source string) error {
	if n := len(source); n > MaxFilterText {
		return tooCostly(n, "bytes", MaxFilterText, "write a shorter one")
	}
	if n := nesting(source); n > maxNesting {
		return tooCostly(n, "brackets in each other", maxNesting, "write it flatter")
	}
	return nil
}

// nesting returns the maximum number of open brackets in source. It ignores brackets in texts.
func nesting(source string) (most int) {
	open := 0
	for i := 0; i < len(source); i++ {
		switch c := source[i]; c {
		case '(', '[', '{':
			open++
			most = max(most, open)
		case ')', ']', '}':
			open--
		case '"', '\'', '`':
			for i++; i < len(source) && source[i] != c; i++ {
				if source[i] == '\\' && c != '`' {
					i++
				}
			}
		}
	}
	return most
}

// costs adds up the cost of a parsed expression.
type costs struct{ nodes, additions, patterns, instructions int }

// Visit is part of [ast.Visitor].
func (c *costs) Visit(node *ast.Node) {
	c.nodes++
	n, ok := (*node).(*ast.BinaryNode)
	if !ok {
		return
	}
	switch n.Operator {
	case "+":
		c.additions++
	case "matches":
		c.patterns++
		if pattern, constant := n.Right.(*ast.StringNode); constant {
			c.instructions += instructions(pattern.Value)
		}
	}
}

// checkTree checks the cost of a parsed expression before it is compiled, because some patterns take long to
// compile.
func checkTree(tree *ast.Node) error {
	c := &costs{}
	ast.Walk(tree, c)
	switch {
	case c.nodes > maxNodes:
		return tooCostly(c.nodes, "operators, operands and calls", maxNodes, "write a shorter one")
	case c.additions > maxAdditions:
		return tooCostly(c.additions, "additions", maxAdditions, "compare the parts")
	case c.patterns > maxPatterns:
		return tooCostly(c.patterns, "patterns", maxPatterns, "join them by |")
	case c.instructions > maxInstructions:
		return tooCostly(c.instructions, "instructions in its patterns", maxInstructions, "let {n} repeat less")
	}
	return nil
}

// instructions returns an upper bound of the number of instructions of a pattern's program. It does not compile the
// pattern, because the program may be large. It returns 0 for an invalid pattern, which the compiler reports.
func instructions(pattern string) int {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	return programSize(re) + 2 // the instructions fail and match
}

// programSize returns the number of instructions of a part of a pattern. The parser bounds nested repetitions, so
// the sum cannot overflow.
func programSize(re *syntax.Regexp) int {
	parts := 0
	for _, sub := range re.Sub {
		parts += programSize(sub)
	}
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpConcat:
		return parts
	case syntax.OpAlternate:
		return parts + len(re.Sub)
	case syntax.OpCapture, syntax.OpStar: // a * over a part that matches the empty text has two instructions
		return parts + 2
	case syntax.OpRepeat:
		return (parts + 1) * max(re.Max, re.Min, 1)
	}
	return parts + 1
}
