// Package rename is the transform rename: it renames fields of a JSON payload.
package rename

import (
	"context"
	"errors"
	"fmt"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// Options of the transform.
type Options struct {
	Fields options.Map[string] `koanf:"fields" rule:"min=1" doc:"field: its new name in the same object, such as order.customer_name: customer"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"fields": "An event that has a field of the new name already is an error",
	}
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("rename", "Renames fields of a JSON payload.",
		func() Options { return Options{} }, build)
}

func build(o Options, _ plugin.Env) (plugin.Transform, error) {
	t := &transform{}
	for _, f := range o.Fields {
		var path rawjson.Path
		err := path.UnmarshalText([]byte(f.Key))
		if err == nil {
			err = path.CheckSingle()
		}
		if err == nil && f.Value == "" {
			err = errors.New("give a name")
		}
		if err != nil {
			return nil, &plugin.OptionError{Option: options.Join("fields", f.Key), Err: err}
		}
		t.edit.Add(path, rawjson.Change{Name: f.Value})
		t.moves = append(t.moves, move{path.String(), f.Value, t.tree.Path(path), t.tree.Path(path.Sibling(f.Value))})
	}
	t.spans = make([]rawjson.Span, t.tree.Len())
	return t, nil
}

// move is the change of one field's name; from and to are nodes of the tree.
type move struct {
	field, name string
	from, to    int
}

type transform struct {
	edit  rawjson.Edit
	tree  rawjson.Tree
	spans []rawjson.Span
	moves []move
}

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	if err := t.tree.Find(e.Data, t.spans); err != nil {
		return err
	}
	more := 0
	for _, m := range t.moves {
		if !t.spans[m.from].Found() {
			continue
		}
		if t.spans[m.to].Found() && !t.moved(m.to) {
			return fmt.Errorf("%s cannot be called %s: there is a field of that name already", m.field, m.name)
		}
		for _, o := range t.moves {
			if o.to == m.to && o.from != m.from && t.spans[o.from].Found() {
				return fmt.Errorf("%s and %s cannot both be called %s", m.field, o.field, m.name)
			}
		}
		more += len(m.name)
	}
	data, err := t.edit.Apply(e.Data, more)
	if err != nil {
		return err
	}
	emit(e.WithData(data))
	return nil
}

// moved reports whether the field at a node is renamed itself.
func (t *transform) moved(node int) bool {
	for _, m := range t.moves {
		if m.from == node {
			return true
		}
	}
	return false
}
