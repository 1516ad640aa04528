// Package window is the transform window: it makes one event of several, with counts, sums and other aggregates of them.
package window

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
	Fields options.Map[Aggregate] `koanf:"fields" rule:"min=1" doc:"field of the payload: aggregate over the events of the window, such as count() or sum(order.amount), in this order"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewBatchTransform("window", "Makes one event of several, with counts, sums and other aggregates.", func() Options { return Options{} }, build)
}

func build(o Options, env plugin.Env) (plugin.BatchTransform, error) {
	t := &transform{eval: expr.NewEvaluator(env.Now, env.NewID)}
	for _, f := range o.Fields {
		t.fields = append(t.fields, field{f.Key, append(rawjson.AppendText(nil, f.Key), ':'), f.Value})
	}
	return t, nil
}

type transform struct {
	fields []field
	eval   expr.Evaluator
	value  []byte // space for the value of one event
}

type field struct {
	name      string
	json      []byte // "name":
	aggregate Aggregate
}

// ApplyBatch is part of [plugin.BatchTransform].
func (t *transform) ApplyBatch(_ context.Context, w plugin.Window, emit func(*event.Event)) error {
	all := make([]aggregation, len(t.fields))
	for i, f := range t.fields {
		all[i] = aggregation{f.aggregate, functions[f.aggregate.function]()}
	}
	failed := map[int]error{}
	for i, e := range w.Events {
		if err := t.add(all, e); err != nil {
			failed[i] = err
		}
	}
	if err := plugin.Failed(failed); err != nil { // ApplyBatch is called again with the other events
		return err
	}
	data := []byte{'{'}
	for i, f := range t.fields {
		if i > 0 {
			data = append(data, ',')
		}
		var err error
		if data, err = all[i].state.appendTo(append(data, f.json...)); err != nil {
			return fmt.Errorf("field %s: %w", f.name, err)
		}
	}
	made := w.Merged("window-")
	made.Data = append(data, '}')
	emit(made)
	return nil
}

// add adds an event to all aggregates.
func (t *transform) add(all []aggregation, e *event.Event) error {
	for i, f := range t.fields {
		var err error
		if t.value, err = all[i].add(&t.eval, e, t.value); err != nil {
			return fmt.Errorf("field %s: %w", f.name, err)
		}
	}
	return nil
}
