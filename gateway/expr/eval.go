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
	sight sight          // of rights

	// Of the evaluation under way.
	program *program
	event   *event.Event
	values  []any // by lookup
	found   bool  // whether spans is filled
	spans   []rawjson.Span
	payload error // what is wrong with it
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
	if c.program.right != nil {
		return x.holds(c.program.right, ev), nil
	}
	v, err := x.run(c.program, ev)
	if err != nil {
		return false, err
	}
	return v.(bool), nil // the compiler saw to it
}

// AppendJSON appends the result of e for ev as JSON. A field of the payload
// is copied unchanged, with all its digits.
func (x *Evaluator) AppendJSON(dst []byte, e Expression, ev *event.Event) ([]byte, error) {
	if e.program.constant != nil {
		return append(dst, e.program.constant...), nil
	}
	if raw, err := x.copied(e.program, ev); raw != nil || err != nil {
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
	raw, err := x.copied(e.program, ev)
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

// copied returns the text of the field that p consists of, as it stands in the payload;
// nil where p is more than that, or there is no such field.
func (x *Evaluator) copied(p *program, ev *event.Event) ([]byte, error) {
	if p.whole < 0 || p.lookups[p.whole].root == eventName {
		return nil, nil
	}
	x.begin(p, ev)
	if err := p.tree.Find(ev.Data, x.spans); err != nil {
		return nil, err
	}
	places := p.lookups[p.whole].places
	if s := x.spans[places[len(places)-1]]; s.Found() {
		return s.Of(ev.Data), nil
	}
	return nil, nil
}

func (x *Evaluator) run(p *program, ev *event.Event) (any, error) {
	x.begin(p, ev)
	v, err := x.vm.Run(p.code, x.env)
	if x.payload != nil {
		return nil, x.payload
	}
	if err != nil {
		return nil, readable(cannotEvaluate, p.source, err)
	}
	return v, nil
}

// begin prepares for an evaluation.
func (x *Evaluator) begin(p *program, ev *event.Event) {
	if x.env == nil {
		if x.clock == nil {
			x.clock, x.newID = time.Now, NewUUID
		}
		x.env = map[string]any{getName: x.get, "now": x.now, "uuid": x.uuid}
	}
	x.program, x.event, x.found, x.payload = p, ev, false, nil
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
