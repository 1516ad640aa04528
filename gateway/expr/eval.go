package expr

import (
	"fmt"
	"strconv"
	"time"

	"github.com/expr-lang/expr/vm"

	"eventgateway/gateway/event"
	"eventgateway/gateway/rawjson"
)

// Evaluator evaluates programs over events. It reuses its buffers and
// is for one goroutine at a time. The zero value is ready to use.
type Evaluator struct {
	clock func() time.Time
	newID func() string
	vm    vm.VM
	env   map[string]any // the functions
	state ruleState      // of the rule

	// The state of the current evaluation.
	program    *program
	event      *event.Event
	values     []any // by the number of the lookup
	found      bool  // whether spans is filled
	spans      []rawjson.Span
	payloadErr error // the payload is not JSON
}

// NewEvaluator returns an Evaluator whose functions now and uuid call clock and newID.
func NewEvaluator(clock func() time.Time, newID func() string) Evaluator {
	return Evaluator{clock: clock, newID: newID}
}

// Value returns the result of e for ev.
func (x *Evaluator) Value(e Expression, ev *event.Event) (any, error) {
	return x.run(e.program, ev)
}

// True reports whether c is true for ev.
func (x *Evaluator) True(c Condition, ev *event.Event) (bool, error) {
	if c.program.clientRule != nil {
		return x.permits(c.program.clientRule, ev, ""), nil
	}
	v, err := x.run(c.program, ev)
	if err != nil {
		return false, err
	}
	return v.(bool), nil // the compiler has checked the type
}

// AppendJSON appends the result of e for ev as JSON. A field of the payload
// is copied unchanged, with all its digits.
func (x *Evaluator) AppendJSON(dst []byte, e Expression, ev *event.Event) ([]byte, error) {
	if e.program.constant != nil {
		return append(dst, e.program.constant...), nil
	}
	if raw, err := x.rawField(e.program, ev); raw != nil || err != nil {
		return append(dst, raw...), err
	}
	v, err := x.run(e.program, ev)
	if err != nil {
		return dst, err
	}
	return AppendJSON(dst, v)
}

// Text appends the result of e for ev, as [AppendText] does, and reports whether it
// is nil. A field of the payload is copied: a number keeps all its digits.
func (x *Evaluator) Text(dst []byte, e Expression, ev *event.Event) (text []byte, isNil bool, err error) {
	raw, err := x.rawField(e.program, ev)
	switch {
	case err != nil:
		return dst, false, err
	case raw != nil && raw[0] == 'n':
		return dst, true, nil
	case raw != nil && raw[0] == '"':
		return append(dst, rawjson.Text(raw)...), false, nil
	case raw != nil:
		return append(dst, raw...), false, nil
	}
	v, err := x.run(e.program, ev)
	if err == nil {
		dst, err = AppendText(dst, v)
	}
	return dst, v == nil, err
}

// rawField returns the unchanged text of the field that p consists of. It returns nil if p does not consist of one
// field, or if there is no such field.
func (x *Evaluator) rawField(p *program, ev *event.Event) ([]byte, error) {
	if p.onlyLookup < 0 || p.lookups[p.onlyLookup].root == eventName {
		return nil, nil
	}
	x.prepare(p, ev)
	if err := p.tree.Find(ev.Data, x.spans); err != nil {
		return nil, err
	}
	nodes := p.lookups[p.onlyLookup].nodes
	if s := x.spans[nodes[len(nodes)-1]]; s.Found() {
		return s.Of(ev.Data), nil
	}
	return nil, nil
}

func (x *Evaluator) run(p *program, ev *event.Event) (any, error) {
	x.prepare(p, ev)
	v, err := x.vm.Run(p.code, x.env)
	if x.payloadErr != nil {
		return nil, x.payloadErr
	}
	if err != nil {
		return nil, expressionError(cannotEvaluate, p.source, err)
	}
	return v, nil
}

// prepare resets the state for an evaluation.
func (x *Evaluator) prepare(p *program, ev *event.Event) {
	if x.env == nil {
		if x.clock == nil {
			x.clock, x.newID = time.Now, NewUUID
		}
		x.env = map[string]any{getName: x.get, "now": x.now, "uuid": x.uuid}
	}
	x.program, x.event, x.found, x.payloadErr = p, ev, false, nil
	x.values = x.values[:0]
	for range p.lookups {
		x.values = append(x.values, unread{})
	}
	if n := p.tree.Len(); cap(x.spans) < n {
		x.spans = make([]rawjson.Span, n)
	} else {
		x.spans = x.spans[:n]
	}
}

// AppendText appends a value as plain text: nil is empty, times are written as
// [ISOMillis], lists and mappings as JSON.
func AppendText(dst []byte, v any) ([]byte, error) {
	switch t := v.(type) {
	case nil:
		return dst, nil
	case string:
		return append(dst, t...), nil
	case int:
		return strconv.AppendInt(dst, int64(t), 10), nil
	case time.Time:
		return appendTime(dst, t), nil
	case bool, float64, []any, map[string]any:
		return AppendJSON(dst, v)
	}
	return append(dst, fmt.Sprint(v)...), nil
}
