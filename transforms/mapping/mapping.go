// Package mapping is the transform map: it builds a new object of expressions. (map is
// a keyword of Go.)
package mapping

import (
	"context"
	"fmt"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// Options of the transform.
type Options struct {
	Fields options.Map[expr.Expression] `koanf:"fields" rule:"min=1" doc:"field of the new payload: expression over the old one, in this order"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"fields": "A field that is only copied, such as order.amount, keeps its text: every digit and the order of keys",
	}
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("map", "Builds a new JSON object of expressions over the payload.",
		func() Options { return Options{} }, build)
}

func build(o Options, env plugin.Env) (plugin.Transform, error) {
	t := &transform{fields: o.Fields, eval: expr.NewEvaluator(env.Now, env.NewID)}
	for _, f := range o.Fields {
		t.names = append(t.names, append(rawjson.AppendText(nil, f.Key), ':'))
	}
	return t, nil
}

type transform struct {
	fields options.Map[expr.Expression]
	names  [][]byte // "name": as JSON
	eval   expr.Evaluator
}

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	data := append(make([]byte, 0, len(e.Data)), '{')
	for i, f := range t.fields {
		if i > 0 {
			data = append(data, ',')
		}
		var err error
		if data, err = t.eval.AppendJSON(append(data, t.names[i]...), f.Value, e); err != nil {
			return fmt.Errorf("field %s: %w", f.Key, err)
		}
	}
	emit(e.WithData(append(data, '}')))
	return nil
}
