package expr

import (
	"errors"
	"fmt"
	"strings"

	"eventgateway/gateway/event"
)

// Template is text that contains expressions: "orders.{{ order.status }}". As an
// option it is read from text.
type Template struct {
	source string
	parts  []part
}

// part is a literal text, or an expression if that is set.
type part struct {
	text string
	expr Expression
}

// MustTemplate returns the Template of a text, and panics on an error. It is for defaults.
func MustTemplate(text string) Template {
	var t Template
	if err := t.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return t
}

// UnmarshalText compiles text, for package options.
func (t *Template) UnmarshalText(b []byte) error {
	*t = Template{source: string(b)}
	rest := t.source
	for rest != "" {
		text, after, found := strings.Cut(rest, "{{")
		if text != "" {
			t.parts = append(t.parts, part{text: text})
		}
		if !found {
			return nil
		}
		source, after, closed := strings.Cut(after, "}}")
		if !closed {
			return errors.New("a {{ lacks its }}")
		}
		e, err := Compile(strings.TrimSpace(source))
		if err != nil {
			return err
		}
		t.parts = append(t.parts, part{expr: e})
		rest = after
	}
	return nil
}

// OptionType names the type in tables.
func (Template) OptionType() string { return "template" }

func (t Template) String() string { return t.source }

// IsZero reports whether the template is empty.
func (t Template) IsZero() bool { return t.source == "" }

// Literal returns the text, and true, if the template has no expressions.
func (t Template) Literal() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].expr.IsZero():
		return t.parts[0].text, true
	}
	return "", false
}

// Append appends the text of t for ev.
func (x *Evaluator) Append(dst []byte, t Template, ev *event.Event) ([]byte, error) {
	return x.AppendEscaped(dst, t, ev, nil)
}

// AppendEscaped appends the text of t for ev. The results of the expressions are passed through escape, unless it is
// nil; the text between them is not.
func (x *Evaluator) AppendEscaped(dst []byte, t Template, ev *event.Event, escape func(value []byte) []byte) ([]byte, error) {
	for _, p := range t.parts {
		if p.expr.IsZero() {
			dst = append(dst, p.text...)
			continue
		}
		from := len(dst)
		var err error
		if dst, _, err = x.Text(dst, p.expr, ev); err != nil {
			return nil, fmt.Errorf("template `%s`: %w", t.source, err)
		}
		if escape != nil {
			dst = append(dst[:from], escape(dst[from:])...)
		}
	}
	return dst, nil
}
