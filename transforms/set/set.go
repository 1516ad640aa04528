// Package set is the transform set: it sets fields of a JSON object to the values of
// expressions, and leaves every other byte as it is.
package set

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
	Fields options.Map[expr.Expression] `koanf:"fields" rule:"min=1" doc:"field: expression; a text is written '\"so\"'"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"fields": "An existing field gets the new value at its position; a new one is appended, with the objects around it: order.total",
	}
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("set", "Sets fields of a JSON object to the values of expressions.",
		func() Options { return Options{} }, build).With(plugin.KeepsFields)
}

func build(o Options, env plugin.Env) (plugin.Transform, error) {
	t := &transform{fields: o.Fields, eval: expr.NewEvaluator(env.Now, env.NewID), ends: make([]int, len(o.Fields)+1)}
	var paths []rawjson.Path
	for i, f := range o.Fields {
		var path rawjson.Path
		err := path.UnmarshalText([]byte(f.Key))
		if err == nil {
			err = path.CheckSingle()
		}
		for _, other := range paths {
			if err == nil && (other.Contains(path) || path.Contains(other)) {
				err = fmt.Errorf("the field %s is set, too, and one contains the other: set the outer one only", other)
			}
		}
		if err != nil {
			return nil, &plugin.OptionError{Option: options.Join("fields", f.Key), Err: err}
		}
		paths = append(paths, path)
		t.edit.Add(path, rawjson.Change{Create: true, Value: func(dst, _ []byte) ([]byte, error) {
			return append(dst, t.values[t.ends[i]:t.ends[i+1]]...), nil
		}})
	}
	return t, nil
}

type transform struct {
	fields options.Map[expr.Expression]
	eval   expr.Evaluator
	edit   rawjson.Edit
	values []byte // of the current event, as JSON
	ends   []int  // of each value, after a 0
}

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	t.values = t.values[:0]
	names := 0
	for i, f := range t.fields {
		var err error
		if t.values, err = t.eval.AppendJSON(t.values, f.Value, e); err != nil {
			return fmt.Errorf("field %s: %w", f.Key, err)
		}
		t.ends[i+1] = len(t.values)
		names += len(f.Key) + len(`"":,`)
	}
	data, err := t.edit.Apply(e.Data, len(t.values)+names)
	if err != nil {
		return err
	}
	emit(e.WithData(data))
	return nil
}
