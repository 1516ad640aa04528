package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"eventgateway/gateway/rawjson"
)

// Names that are not fields of the payload.
const (
	eventName   = "event"
	payloadName = "payload"
)

// Expression is a compiled expression with a result of any type. As an option it is read
// from text.
type Expression struct{ *program }

// Condition is a compiled expression that is true or false.
type Condition struct{ *program }

// program is the common part of Expression and Condition: the compiled code, and its lookups.
type program struct {
	source  string
	code    *vm.Program
	tree    rawjson.Tree
	lookups []lookup
	// onlyLookup is the number of the lookup that the program consists of, else -1. constant is the JSON of the
	// constant that it consists of, else nil.
	onlyLookup int
	constant   []byte
	clientRule *clientRule // replaces code for a condition of a client
}

// Compile compiles source. Its error has the position in source.
func Compile(source string) (Expression, error) {
	p, err := compile(source)
	return Expression{p}, err
}

// MustCompile compiles source, and panics on an error. It is for defaults.
func MustCompile(source string) Expression {
	e, err := Compile(source)
	if err != nil {
		panic(err)
	}
	return e
}

// UnmarshalText compiles text, for package options.
func (e *Expression) UnmarshalText(text []byte) (err error) {
	e.program, err = compile(string(text))
	return err
}

// UnmarshalText compiles text, for package options.
func (c *Condition) UnmarshalText(text []byte) (err error) {
	c.program, err = compile(string(text), exprlang.AsBool())
	if err != nil {
		return err
	}
	if b, ok := c.code.Node().(*ast.BinaryNode); ok && slices.Contains(arithmetic, b.Operator) {
		return errorAt(wrongExpression, c.source, b.Location().From, "a condition is true or false, and "+b.Operator+" is neither")
	}
	return nil
}

// arithmetic are the operators whose result is never a boolean.
var arithmetic = []string{"+", "-", "*", "/", "%", "**", "^", ".."}

// OptionType names the type in tables.
func (Expression) OptionType() string { return "expression" }

// OptionType names the type in tables.
func (Condition) OptionType() string { return "condition" }

// IsZero reports whether there is no program.
func (p *program) IsZero() bool { return p == nil }

func (p *program) String() string {
	if p == nil {
		return ""
	}
	return p.source
}

func compile(source string, opts ...exprlang.Option) (*program, error) {
	if strings.TrimSpace(source) == "" {
		return nil, errors.New("the expression is empty")
	}
	p := &program{source: source, onlyLookup: -1}
	r := &rewriter{program: p, originals: map[ast.Node]ast.Node{}, lookupNames: map[ast.Node]bool{}}
	opts = append(opts, language...)
	code, err := exprlang.Compile(source, append(slices.Clip(opts), exprlang.Patch(r))...)
	if r.err != nil { // it is more precise than the error of the compiler
		return nil, r.err
	}
	if err == nil { // the compiler loses errors in the arguments of some functions where it has a patch
		_, err = exprlang.Compile(source, opts...)
	}
	if err != nil {
		return nil, expressionError(wrongExpression, source, err)
	}
	p.code = code
	if n, ok := lookupOf(code.Node()); ok {
		p.onlyLookup = n
	}
	switch n := code.Node().(type) {
	case *ast.StringNode:
		p.constant, err = AppendJSON(nil, n.Value)
	case *ast.IntegerNode:
		p.constant, err = AppendJSON(nil, n.Value)
	}
	return p, err
}

// expressionError turns the library's multi-line error into one line with the column in the expression. The line
// begins with what.
func expressionError(what, source string, err error) error {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return fmt.Errorf("%s `%s`: %s", what, source, plainWords.Replace(err.Error()))
	}
	return errorAt(what, source, fe.Column, fe.Message)
}

// plainWords replaces Go's words in errors by those of the expression language, and adds hints.
var plainWords = strings.NewReplacer(
	"<nil>", "nil", "interface conversion: interface {} is ", "it is ", "[]interface {}", "list", "map[string]interface {}", "object",
	"reflect.Value.MapIndex: value of type int is not assignable to type string", "an object has no elements",
	`unexpected token Operator("=")`, "unexpected =; write == to compare",
	`unexpected token Identifier("AND")`, "unexpected AND; write && or and", `unexpected token Identifier("OR")`, "unexpected OR; write || or or",
)

// The beginnings of errors: an expression does not compile, or it fails for an event.
const (
	wrongExpression = "wrong expression"
	cannotEvaluate  = "cannot evaluate"
)

// errorAt returns an error with the column, which counts from 0.
func errorAt(what, source string, column int, text string) error {
	text = plainWords.Replace(text)
	return fmt.Errorf("%s `%s` at column %d: %s", what, source, column+1, text)
}
