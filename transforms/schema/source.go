package schema

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"eventgateway/gateway/options"
)

// inline returns the JSON of a schema in the configuration.
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

// expanded replaces variables by their values: numbers and booleans where they are such.
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
	doc, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{"file": loader{}})
	c.AssertFormat() // formats are checked, too
	if err := c.AddResource(location, doc); err != nil {
		return nil, oneLine("is not a JSON Schema", err)
	}
	s, err := c.Compile(location)
	if err != nil {
		return nil, oneLine("is not a JSON Schema", err)
	}
	return s, nil
}

const (
	maxFile  = 4 << 20 // bytes of a file that $ref points to
	maxDepth = 200     // of nesting: the compiler's time grows with its third power
)

// loader reads the files that $ref points to.
type loader struct{}

// Load is part of [jsonschema.URLLoader].
func (loader) Load(url string) (any, error) {
	path, err := jsonschema.FileLoader{}.ToFile(url)
	if err != nil {
		return nil, err
	}
	text, err := options.ReadFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read: %w", path, err)
	}
	return parse(text)
}

// parse reads JSON that is not nested too deep.
func parse(text []byte) (any, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	if deeper(doc, maxDepth) {
		return nil, fmt.Errorf("is nested more than %d deep: move a part of it to a file, for $ref", maxDepth)
	}
	return doc, nil
}

// deeper reports whether objects and lists of a value are nested more than depth deep.
func deeper(doc any, depth int) bool {
	switch t := doc.(type) {
	case []any:
		for _, item := range t {
			if depth == 0 || deeper(item, depth-1) {
				return true
			}
		}
	case map[string]any:
		for _, member := range t {
			if depth == 0 || deeper(member, depth-1) {
				return true
			}
		}
	}
	return false
}
