package options_test

import (
	"slices"
	"testing"

	"eventgateway/gateway/options"
)

// Base has the options that extended embeds.
type Base struct {
	Name string `koanf:"name" rule:"required" doc:"a name"`
}

// Docs is part of [options.Documented].
func (Base) Docs() map[string]string { return map[string]string{"name": "It is unique"} }

type extended struct {
	Base
	Size int `koanf:"size" rule:"min=1" doc:"a size"`
}

// TestEmbeddedStruct proves that the options of an embedded struct are options of the struct around it: decoded and checked, known,
// documented, and in the schema.
func TestEmbeddedStruct(t *testing.T) {
	decode := func(raw map[string]any) (extended, options.Problems) {
		o := extended{Size: 1}
		var d options.Decoder
		d.Decode("x", raw, &o)
		return o, d.Problems
	}
	if o, problems := decode(map[string]any{"name": "n", "size": 2}); len(problems) > 0 || o.Name != "n" || o.Size != 2 {
		t.Errorf("%+v %v", o, problems)
	}
	for option, raw := range map[string]map[string]any{"name": {}, "base": {"name": "n", "base": 1}} {
		if _, problems := decode(raw); len(problems) != 1 || problems[0].Path != "x."+option {
			t.Errorf("%v: %v", raw, problems)
		}
	}
	o := &extended{Size: 1}
	if keys := options.Keys(o); !slices.Equal(keys, []string{"name", "size"}) {
		t.Errorf("keys: %v", keys)
	}
	if rows := options.Rows(o); len(rows) != 2 || rows[0].Doc != "a name. It is unique" || rows[0].Default != "required" {
		t.Errorf("rows: %+v", rows)
	}
	schema := options.Schema(o)
	if properties := schema["properties"].(map[string]any); properties["name"] == nil || properties["size"] == nil || !slices.Equal(schema["required"].([]string), []string{"name"}) {
		t.Errorf("schema: %v", schema)
	}
	if problems := options.Lint(o); len(problems) > 0 {
		t.Errorf("lint: %v", problems)
	}
}
