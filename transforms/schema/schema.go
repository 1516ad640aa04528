// Package schema is the transform schema: it checks payloads against a JSON Schema.
package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// Options of the transform.
type Options struct {
	Schema any    `koanf:"schema" doc:"the JSON Schema, as YAML or as JSON text; draft 2020-12 where $schema names no other"`
	File   string `koanf:"file" doc:"file that holds the JSON Schema, instead; $ref may point to files beside it"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("schema", "Lets only payloads go on that a JSON Schema describes; any other is an error.",
		func() Options { return Options{} }, build)
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	switch {
	case o.Schema == nil && o.File == "":
		report("", "needs schema, or file")
	case o.Schema != nil && o.File != "":
		report("file", "cannot stand beside schema: leave one of them out")
	}
}

func build(o Options, _ plugin.Env) (plugin.Transform, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat() // a format that is written is meant
	option, location := "file", o.File
	if o.File == "" {
		option, location = "schema", "schema.json"
		doc, err := inline(o.Schema)
		if err == nil {
			err = c.AddResource(location, doc)
		}
		if err != nil {
			return nil, &plugin.OptionError{Option: option, Err: err}
		}
	} else if _, err := os.Stat(o.File); err != nil {
		return nil, &plugin.OptionError{Option: option, Err: fmt.Errorf("cannot be read: %w", err)}
	}
	s, err := c.Compile(location)
	if err != nil {
		return nil, &plugin.OptionError{Option: option, Err: oneLine("is not a JSON Schema", err)}
	}
	return &transform{s}, nil
}

// inline returns the schema that stands in the configuration, as the library wants it.
func inline(raw any) (any, error) {
	text, ok := raw.(string)
	if !ok {
		b, err := json.Marshal(raw)
		if err != nil {
			return nil, fmt.Errorf("is not a JSON Schema: %w", err)
		}
		text = string(b)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	return doc, nil
}

type transform struct{ schema *jsonschema.Schema }

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, out []*event.Event) ([]*event.Event, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Data))
	if err != nil {
		return out, fmt.Errorf("the payload is not JSON: %w", err)
	}
	if err := t.schema.Validate(doc); err != nil {
		return out, oneLine("the schema does not allow it", err)
	}
	return append(out, e), nil
}

var english = message.NewPrinter(language.English)

// oneLine says where a payload, or a schema, is not as it should be: the first three
// places.
func oneLine(what string, err error) error {
	var ve *jsonschema.ValidationError
	var se *jsonschema.SchemaValidationError
	if errors.As(err, &se) {
		err = se.Err
	}
	if !errors.As(err, &ve) {
		return errors.New(what + ": " + strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	var places []string
	var walk func(*jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		if len(v.Causes) == 0 {
			places = append(places, fmt.Sprintf("/%s: %s", strings.Join(v.InstanceLocation, "/"), v.ErrorKind.LocalizedString(english)))
		}
		for _, c := range v.Causes {
			walk(c)
		}
	}
	walk(ve)
	more := ""
	if len(places) > 3 {
		more = fmt.Sprintf("; and %d more", len(places)-3)
	}
	return errors.New(what + ": " + strings.Join(places[:min(3, len(places))], "; ") + more)
}
