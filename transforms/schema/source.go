package schema

import (
	"bytes"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"eventgateway/gateway/options"
)

// inline returns the JSON of a schema in the configuration.
func inline(raw any) ([]byte, error) {
	text, err := options.JSON(raw)
	if err != nil {
		return nil, fmt.Errorf("is not a JSON Schema: %w", err)
	}
	return text, nil
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
