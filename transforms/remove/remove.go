// Package remove is the transform remove: it removes fields from a JSON payload.
package remove

import (
	"context"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// Options of the transform.
type Options struct {
	Fields []rawjson.Path `koanf:"fields" rule:"min=1" doc:"fields to remove, such as order.note; * stands for every member or element: lines.*.cost"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("remove", "Removes fields from a JSON payload.",
		func() Options { return Options{} }, build).With(plugin.KeepsFields)
}

func build(o Options, _ plugin.Env) (plugin.Transform, error) {
	t := &transform{}
	for _, path := range o.Fields {
		t.edit.Add(path, rawjson.Change{Remove: true})
		t.shown.Add(path, rawjson.Change{Value: hide})
	}
	return t, nil
}

type transform struct {
	edit  rawjson.Edit
	shown rawjson.Edit // of Hide
}

// Hide is part of [plugin.Hider].
func (t *transform) Hide(payload []byte) ([]byte, error) { return t.shown.Apply(payload, 0) }

func hide(dst, _ []byte) ([]byte, error) { return append(dst, plugin.Hidden...), nil }

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	data, err := t.edit.Apply(e.Data, 0)
	if err != nil {
		return err
	}
	emit(e.WithData(data))
	return nil
}
