// Package split is the transform split: it makes an event of each element of an
// array.
package split

import (
	"context"
	"fmt"
	"strconv"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// Options of the transform.
type Options struct {
	Field rawjson.Path `koanf:"field" doc:"field that holds the array, such as order.lines; without it, the payload is the array"`
	Max   Max          `koanf:"max"`
	Keep  bool         `koanf:"keep" doc:"whether each event is the whole payload with one element instead of the array, and not the element alone"`
}

// Max bounds the events that one event becomes. More is an error.
type Max struct {
	Events int          `koanf:"events" rule:"min=1" doc:"maximum of events of one"`
	Bytes  options.Size `koanf:"bytes" rule:"min=1" doc:"maximum of their bytes in all"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("split", "Makes an event of each element of an array.",
		func() Options { return Options{Max: Max{10_000, 64 << 20}} }, build)
}

func build(o Options, _ plugin.Env) (plugin.Transform, error) {
	if err := o.Field.CheckSingle(); err != nil {
		return nil, &plugin.OptionError{Option: "field", Err: err}
	}
	t := &transform{opts: o}
	t.node = t.tree.Path(o.Field)
	t.spans = make([]rawjson.Span, t.tree.Len())
	t.edit.Add(o.Field, rawjson.Change{Value: func(dst, _ []byte) ([]byte, error) { return append(dst, t.element...), nil }})
	return t, nil
}

type transform struct {
	opts    Options
	tree    rawjson.Tree
	node    int
	spans   []rawjson.Span
	edit    rawjson.Edit
	element []byte
}

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	if err := t.tree.Find(e.Data, t.spans); err != nil {
		return err
	}
	list := t.spans[t.node].Of(e.Data)
	if len(list) == 0 || list[0] != '[' {
		what := "the payload"
		if !t.opts.Field.IsZero() {
			what = "the field " + t.opts.Field.String()
		}
		return fmt.Errorf("%s is not an array", what)
	}
	n, size := 0, 0
	for t.element = range rawjson.Elements(list) {
		part := e.WithData(t.element)
		if t.opts.Keep && !t.opts.Field.IsZero() {
			data, err := t.edit.Apply(e.Data, 0)
			if err != nil {
				return err
			}
			part.Data = data
		}
		if size += len(part.Data); n == t.opts.Max.Events || size > int(t.opts.Max.Bytes) {
			return fmt.Errorf("the array exceeds max.events: %d or max.bytes: %s", t.opts.Max.Events, t.opts.Max.Bytes)
		}
		if e.ID != "" { // receivers drop events with the same ID
			part.ID = e.ID + "/" + strconv.Itoa(n)
		}
		emit(part)
		n++
	}
	return nil
}
