package schema

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"eventgateway/gateway/options"
)

// inline returns the JSON of a schema that stands in the configuration.
func inline(raw any) ([]byte, error) {
	switch t := raw.(type) {
	case string:
		return []byte(t), nil
	case options.Expanded:
		return []byte(t), nil
	}
	b, err := json.Marshal(expanded(raw))
	if err != nil {
		return nil, fmt.Errorf("is not a JSON Schema: %w", err)
	}
	return b, nil
}

// expanded puts what variables hold in their places: a number, true or false where it
// is one.
func expanded(raw any) any {
	switch t := raw.(type) {
	case options.Expanded:
		var scalar any
		if json.Unmarshal([]byte(t), &scalar) == nil {
			return json.RawMessage(t)
		}
		return string(t)
	case []any:
		out := make([]any, len(t))
		for i := range t {
			out[i] = expanded(t[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(t))
		for name := range t {
			out[name] = expanded(t[name])
		}
		return out
	}
	return raw
}

func compile(location string, text []byte) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat() // a format that is written is meant
	if err := c.AddResource(location, doc); err != nil {
		return nil, oneLine("is not a JSON Schema", err)
	}
	s, err := c.Compile(location)
	if err != nil {
		return nil, oneLine("is not a JSON Schema", err)
	}
	return s, nil
}
