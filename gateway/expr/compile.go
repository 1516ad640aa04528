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
)

// Names that stand for something else than a field of the payload.
const (
	eventName   = "event"
	payloadName = "payload"
)

// Expression is a compiled expression with any result. As an option it is read
// from text.
type Expression struct{ *program }

// Condition is a compiled expression that is true or false.
type Condition struct{ *program }

// program is what both share: the compiled code and which names it reads.
type program struct {
	source string
	code   *vm.Program
	fields []string // top-level payload fields that it reads
	event  bool     // whether it reads event
	whole  bool     // whether it reads payload
	wrong  error    // what the walk over the program found
}

// Compile compiles source. The error points into it.
func Compile(source string) (Expression, error) {
	p, err := compile(source)
	return Expression{p}, err
}

// UnmarshalText compiles text, for package options.
func (e *Expression) UnmarshalText(text []byte) (err error) {
	e.program, err = compile(string(text))
	return err
}

// UnmarshalText compiles text, for package options.
func (c *Condition) UnmarshalText(text []byte) (err error) {
	c.program, err = compile(string(text), exprlang.AsBool())
	return err
}

// OptionType names the type in tables.
func (Expression) OptionType() string { return "expression" }

// OptionType names the type in tables.
func (Condition) OptionType() string { return "condition" }

// IsZero says whether there is no program.
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
	p := &program{source: source}
	opts = append(opts, exprlang.Env(map[string]any{}), exprlang.AllowUndefinedVariables(), exprlang.Patch(p))
	code, err := exprlang.Compile(source, opts...)
	if err != nil {
		return nil, readable(source, err)
	}
	if p.wrong != nil {
		return nil, p.wrong
	}
	p.code = code
	return p, nil
}

// Visit notes which names the program reads, and calls of functions that do not
// exist: undefined names are allowed, so the compiler lets them pass. It is
// part of [ast.Visitor].
func (p *program) Visit(node *ast.Node) {
	if call, ok := (*node).(*ast.CallNode); ok {
		if id, ok := call.Callee.(*ast.IdentifierNode); ok && p.wrong == nil {
			p.wrong = fmt.Errorf("wrong expression `%s` at column %d: there is no function %s", p.source, id.Location().From+1, id.Value)
		}
	}
	id, ok := (*node).(*ast.IdentifierNode)
	if !ok {
		return
	}
	switch id.Value {
	case eventName:
		p.event = true
	case payloadName:
		p.whole = true
	case "$env": // the language's name for all names at once, which are never decoded at once
		p.wrong = fmt.Errorf("wrong expression `%s` at column %d: there is no $env; payload is the whole payload", p.source, id.Location().From+1)
	default:
		if !slices.Contains(p.fields, id.Value) {
			p.fields = append(p.fields, id.Value)
		}
	}
}

// readable turns the library's multi-line error into one line that points into
// the expression.
func readable(source string, err error) error {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return fmt.Errorf("wrong expression `%s`: %w", source, err)
	}
	return fmt.Errorf("wrong expression `%s` at column %d: %s", source, fe.Column+1, fe.Message)
}
