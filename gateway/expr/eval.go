package expr

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/expr-lang/expr/vm"
	"github.com/valyala/fastjson"

	"eventgateway/gateway/event"
)

// Evaluator evaluates programs over events. It keeps scratch between calls and
// is for one goroutine; the zero value is ready.
type Evaluator struct {
	vm     vm.VM
	parser fastjson.Parser
	env    map[string]any
}

// Value returns what e evaluates to for ev.
func (x *Evaluator) Value(e Expression, ev *event.Event) (any, error) {
	return x.run(e.program, ev)
}

// True says whether c holds for ev.
func (x *Evaluator) True(c Condition, ev *event.Event) (bool, error) {
	v, err := x.run(c.program, ev)
	if err != nil {
		return false, err
	}
	return v.(bool), nil // the compiler saw to it
}

func (x *Evaluator) run(p *program, ev *event.Event) (any, error) {
	if x.env == nil {
		x.env = map[string]any{}
	}
	clear(x.env)
	if err := x.fill(p, ev); err != nil {
		return nil, err
	}
	v, err := x.vm.Run(p.code, x.env)
	if err != nil {
		return nil, readable(p.source, err)
	}
	return v, nil
}

// fill decodes what p reads, and nothing else.
func (x *Evaluator) fill(p *program, ev *event.Event) error {
	if p.event {
		attrs := make(map[string]any, len(ev.Attrs))
		for _, a := range ev.Attrs {
			attrs[a.Name] = a.Value
		}
		x.env[eventName] = map[string]any{
			"id": ev.ID, "source": ev.Source, "channel": ev.Channel, "key": ev.Key, "time": ev.Time, "attrs": attrs,
		}
	}
	if !p.whole && len(p.fields) == 0 {
		return nil
	}
	doc, err := x.parser.ParseBytes(ev.Data)
	if err != nil {
		return errors.New("the payload is not JSON")
	}
	if p.whole {
		x.env[payloadName] = decode(doc)
	}
	for _, name := range p.fields {
		if v := doc.Get(name); v != nil {
			x.env[name] = decode(v)
		}
	}
	return nil
}

// decode copies a parsed value out of the parser's memory.
func decode(v *fastjson.Value) any {
	switch v.Type() {
	case fastjson.TypeObject:
		o := v.GetObject()
		m := make(map[string]any, o.Len())
		o.Visit(func(key []byte, v *fastjson.Value) { m[string(key)] = decode(v) })
		return m
	case fastjson.TypeArray:
		items := v.GetArray()
		list := make([]any, len(items))
		for i, item := range items {
			list[i] = decode(item)
		}
		return list
	case fastjson.TypeString:
		return string(v.GetStringBytes())
	case fastjson.TypeNumber:
		if n, err := v.Int64(); err == nil {
			return int(n)
		}
		return v.GetFloat64()
	case fastjson.TypeTrue:
		return true
	case fastjson.TypeFalse:
		return false
	}
	return nil
}

// ISOMillis is how the gateway writes times: ISO 8601 in UTC with milliseconds,
// as JavaScript's Date.toISOString does.
const ISOMillis = "2006-01-02T15:04:05.000Z"

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
		return t.UTC().AppendFormat(dst, ISOMillis), nil
	case bool, float64, []any, map[string]any:
		return AppendJSON(dst, v)
	}
	return append(dst, fmt.Sprint(v)...), nil
}
