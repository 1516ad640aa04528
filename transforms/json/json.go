// Package json is the transform json: it ensures that a payload is a JSON object, and never changes
// an object.
package json

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"unicode/utf8"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// Options of the transform.
type Options struct {
	Invalid string `koanf:"invalid" rule:"oneof=wrap|drop|dead_letter" doc:"what happens to a payload that is no JSON object: text, numbers, lists, null"`
	Wrap    Wrap   `koanf:"wrap"`
}

// Wrap configures the object into which another payload is wrapped.
type Wrap struct {
	Operation string `koanf:"operation" doc:"value of the field operation in the object around it"`
	Field     string `koanf:"field" rule:"required" doc:"field that holds the payload as text; bytes that are not UTF-8 are kept beside it in FIELD_base64"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("json", "Makes sure that the payload is a JSON object.",
		func() Options {
			return Options{Invalid: "wrap", Wrap: Wrap{Operation: "UNKNOWN", Field: "raw"}}
		},
		func(o Options, _ plugin.Env) (plugin.Transform, error) { return &transform{o}, nil }).With(plugin.KeepsFields)
}

type transform struct{ opts Options }

var errNoObject = errors.New("the payload is not a JSON object")

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	data := bytes.TrimSpace(e.Data)
	if len(data) > 0 && data[0] == '{' && rawjson.Valid(data) && utf8.Valid(data) {
		emit(e)
		return nil
	}
	switch t.opts.Invalid {
	case "drop":
		return nil
	case "dead_letter":
		return errNoObject
	}
	emit(e.WithData(t.wrap(e.Data)))
	return nil
}

func (t *transform) wrap(data []byte) []byte {
	obj := []byte("{")
	field := func(name, value string) {
		if len(obj) > 1 {
			obj = append(obj, ',')
		}
		obj = rawjson.AppendText(append(rawjson.AppendText(obj, name), ':'), value)
	}
	if t.opts.Wrap.Operation != "" {
		field("operation", t.opts.Wrap.Operation)
	}
	field(t.opts.Wrap.Field, string(data))
	if !utf8.Valid(data) {
		field(t.opts.Wrap.Field+"_base64", base64.StdEncoding.EncodeToString(data))
	}
	return append(obj, '}')
}
