package window

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/rawjson"
)

// Aggregate is a function over the values of an expression, such as sum(order.amount). As an option it is read from text.
type Aggregate struct {
	function string
	of       expr.Expression // zero for count()
}

// functions make the state of each function for one window.
var functions = map[string]func() state{
	"count": func() state { return &count{} },
	"sum":   func() state { return &sum{} },
	"avg":   func() state { return &sum{average: true} },
	"min":   func() state { return &extreme{sign: -1} },
	"max":   func() state { return &extreme{sign: 1} },
	"first": func() state { return &one{} },
	"last":  func() state { return &one{last: true} },
	"list":  func() state { return &list{} },
}

// UnmarshalText is for package options.
func (a *Aggregate) UnmarshalText(text []byte) error {
	name, rest, ok := strings.Cut(strings.TrimSpace(string(text)), "(")
	inner, closed := strings.CutSuffix(rest, ")")
	name = strings.TrimSpace(name)
	if !ok || !closed {
		return fmt.Errorf("is no aggregate: write a function and its expression, such as sum(order.amount), with one of %s", strings.Join(known(), ", "))
	}
	if functions[name] == nil {
		return errors.New(options.UnknownName(fmt.Sprintf("function %q", name), name, known()))
	}
	a.function = name
	if strings.TrimSpace(inner) == "" {
		if name != "count" {
			return fmt.Errorf("%s needs an expression, such as %s(order.amount)", name, name)
		}
		return nil
	}
	return a.of.UnmarshalText([]byte(inner))
}

func known() []string { return slices.Sorted(maps.Keys(functions)) }

// OptionType names the type in tables.
func (Aggregate) OptionType() string { return "aggregate" }

// String returns the text of the aggregate.
func (a Aggregate) String() string {
	if a.function == "" {
		return ""
	}
	return a.function + "(" + a.of.String() + ")"
}

// state is the state of an aggregate over the events of a window.
type state interface {
	// add adds a value in JSON, which is not null. The value is valid only during the call.
	add(value []byte) error
	// appendTo appends the result in JSON.
	appendTo(dst []byte) ([]byte, error)
}

// aggregation computes an aggregate over a window.
type aggregation struct {
	Aggregate
	state state
}

// add adds the value of an event, unless it is missing or null. It writes the value into buffer, and returns the grown buffer.
func (a *aggregation) add(eval *expr.Evaluator, e *event.Event, buffer []byte) ([]byte, error) {
	if a.of.IsZero() {
		return buffer, a.state.add(nil)
	}
	value, err := eval.AppendJSON(buffer[:0], a.of, e)
	if err != nil || value[0] == 'n' {
		return value, err
	}
	return value, a.state.add(value)
}

type count struct{ n int64 }

func (c *count) add([]byte) error { c.n++; return nil }

func (c *count) appendTo(dst []byte) ([]byte, error) { return number{units: c.n}.appendTo(dst), nil }

// sum is the sum of numbers, or their average.
type sum struct {
	average bool
	total   number
	count   int
}

func (s *sum) add(value []byte) error {
	if !isNumber(value) {
		return fmt.Errorf("%.40s is not a number: convert it, such as float(x)", value)
	}
	n, err := parseNumber(value)
	if err == nil {
		s.total, s.count = s.total.plus(n), s.count+1
	}
	return err
}

func (s *sum) appendTo(dst []byte) ([]byte, error) {
	switch {
	case s.count == 0:
		return append(dst, "null"...), nil
	case s.average:
		return s.total.dividedBy(s.count, dst)
	}
	return s.total.appendTo(dst), nil
}

// extreme is the least or the greatest of numbers, or of texts.
type extreme struct {
	sign   int // of the comparison of a new value with the present one
	raw    []byte
	text   string
	number number
}

func (x *extreme) add(value []byte) (err error) {
	var text string
	var n number
	order := 0
	switch {
	case isNumber(value):
		if n, err = parseNumber(value); err != nil {
			return err
		}
		order = n.compare(x.number)
	case value[0] == '"':
		text = rawjson.Text(value)
		order = strings.Compare(text, x.text)
	default:
		return fmt.Errorf("%.40s cannot be compared: use an expression that is a number or a text", value)
	}
	if x.raw != nil && isNumber(x.raw) != isNumber(value) {
		return fmt.Errorf("%.40s and %.40s cannot be compared: convert one of them to the type of the other", x.raw, value)
	}
	if x.raw == nil || order == x.sign {
		x.raw, x.text, x.number = bytes.Clone(value), text, n
	}
	return nil
}

func (x *extreme) appendTo(dst []byte) ([]byte, error) { return appendOrNull(dst, x.raw), nil }

// one is the first value, or the last one.
type one struct {
	last bool
	raw  []byte
}

func (o *one) add(value []byte) error {
	if o.raw == nil || o.last {
		o.raw = append(o.raw[:0], value...)
	}
	return nil
}

func (o *one) appendTo(dst []byte) ([]byte, error) { return appendOrNull(dst, o.raw), nil }

// list is all values, with a comma behind each.
type list struct{ values []byte }

func (l *list) add(value []byte) error {
	l.values = append(append(l.values, value...), ',')
	return nil
}

func (l *list) appendTo(dst []byte) ([]byte, error) {
	return append(append(append(dst, '['), bytes.TrimSuffix(l.values, []byte(","))...), ']'), nil
}

func isNumber(value []byte) bool { return value[0] == '-' || value[0] >= '0' && value[0] <= '9' }

func appendOrNull(dst, raw []byte) []byte {
	if raw == nil {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}
