// Package set is the transform set: it sets top-level fields of a JSON object
// to the values of expressions, and leaves every other byte as it is.
package set

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options of the transform.
type Options struct {
	Fields options.Map[expr.Expression] `koanf:"fields" rule:"min=1" doc:"field: expression, in the order in which they are appended; a text is written '\"so\"'. Where the object has the field already, the appended one counts: JSON readers take the last"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("set", "Sets fields of a JSON object to the values of expressions.",
		func() Options { return Options{} }, build)
}

func build(o Options, _ plugin.Env) (plugin.Transform, error) {
	t := &transform{fields: o.Fields, names: make([][]byte, len(o.Fields))}
	for i, f := range o.Fields {
		name, err := json.Marshal(f.Key)
		if err != nil {
			return nil, fmt.Errorf("fields.%s: %w", f.Key, err)
		}
		t.names[i] = append(name, ':')
	}
	return t, nil
}

type transform struct {
	fields options.Map[expr.Expression]
	names  [][]byte // "name": as JSON
	eval   expr.Evaluator
}

var errNoObject = errors.New("set needs a JSON object; put a json transform before it")

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, out []*event.Event) ([]*event.Event, error) {
	data := bytes.TrimSpace(e.Data)
	if len(data) < 2 || data[0] != '{' || data[len(data)-1] != '}' {
		return out, errNoObject
	}
	data = bytes.TrimSpace(data[:len(data)-1])
	changed := make([]byte, 0, len(data)+64*len(t.fields))
	changed = append(changed, data...)
	for i, f := range t.fields {
		value, err := t.eval.Value(f.Value, e)
		if err != nil {
			return out, fmt.Errorf("field %s: %w", f.Key, err)
		}
		if len(changed) > 1 {
			changed = append(changed, ',')
		}
		changed = append(changed, t.names[i]...)
		if changed, err = expr.AppendJSON(changed, value); err != nil {
			return out, fmt.Errorf("field %s: %w", f.Key, err)
		}
	}
	return append(out, e.With(append(changed, '}'))), nil
}
