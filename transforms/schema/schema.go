// Package schema is the transform schema: it checks payloads against a JSON Schema.
package schema

import (
	"bytes"
	"context"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options of the transform.
type Options struct {
	Schema any          `koanf:"schema" doc:"the JSON Schema, as YAML or as JSON text; draft 2020-12 where $schema names no other"`
	File   options.File `koanf:"file" doc:"file with the JSON Schema, instead; $ref may point to files beside it. A change of the file takes effect by a reload, within two seconds"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("schema", "Checks payloads against a JSON Schema; an invalid one is an error.",
		func() Options { return Options{} }, build).With(plugin.KeepsFields)
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	switch {
	case o.Schema == nil && o.File.Path() == "":
		report("", "needs schema, or file")
	case o.Schema != nil && o.File.Path() != "":
		report("file", "cannot be used with schema: leave one of them out")
	}
}

func build(o Options, _ plugin.Env) (plugin.Transform, error) {
	option, location, text := "file", o.File.Path(), o.File.Text()
	if o.Schema != nil {
		option, location = "schema", "schema.json"
		var err error
		if text, err = inline(o.Schema); err != nil {
			return nil, &plugin.OptionError{Option: option, Err: err}
		}
	}
	s, err := compile(location, text)
	if err != nil {
		return nil, &plugin.OptionError{Option: option, Err: err}
	}
	return &transform{s}, nil
}

type transform struct{ schema *jsonschema.Schema }

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Data))
	if err != nil {
		return fmt.Errorf("the payload is not JSON: %w", err)
	}
	if err := computable(doc); err != nil {
		return err
	}
	if err := t.schema.Validate(doc); err != nil {
		return oneLine("the payload does not match the schema", err)
	}
	emit(e)
	return nil
}
