package schema

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
)

const order = `{schema: {type: object, required: [id], additionalProperties: false, properties: {id: {type: integer}, mail: {type: string, format: email}}}}`

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("id.json", `{"type":"integer"}`)
	file := write("order.json", `{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"id":{"$ref":"id.json"}}}`)
	broken := write("broken.json", `{"type":"integr"}`)
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "allowed", Options: order, In: ` {"id" : 12345678901234567890123 } `, Out: []string{` {"id" : 12345678901234567890123 } `}},
		{Name: "wrong type", Options: order, In: `{"id":"7"}`, Error: "the payload does not match the schema: /id: got string, want integer"},
		{Name: "missing", Options: order, In: `{}`, Error: "/: missing property 'id'"},
		{Name: "two", Options: order, In: `{"id":1.5,"mail":"x","more":1}`, Error: "/mail: 'x' is not valid email"},
		{Name: "a number to compute for long", Options: order, In: `{"id":1e999999}`, Error: "a number has more than 1000 digits, or such an exponent: 1e999999"},
		{Name: "a number beyond everything", Options: order, In: `{"id":[-1e99999999999999999999]}`, Error: "more than 1000 digits"},
		{Name: "no json", Options: order, In: `{"id":7}}`, Error: "not JSON"},
		{Name: "text", Options: `schema: '{"type": "string"}'`, In: `"x"`, Out: []string{`"x"`}},
		{Name: "file with a reference", Options: "file: " + file, In: `{"id":7}`, Out: []string{`{"id":7}`}},
		{Name: "refused by a reference", Options: "file: " + file, In: `{"id":"7"}`, Error: "/id: got string, want integer"},
	}, InvalidOptions: map[string]string{
		`{}`:                            "needs schema, or file",
		`{schema: {}, file: README.md}`: "file: cannot be used with schema",
		`file: /no/such/file`:           "options:1:7: file: cannot be read: no such file",
		`file: ` + broken:               "options:1:7: file: is not a JSON Schema: /type",
		`schema: {type: integr}`:        "options:1:9: schema: is not a JSON Schema: /type",
		`schema: '{'`:                   "options:1:9: schema: is not JSON",
		`schema: {$ref: "#/nothing"}`:   "options:1:9: schema: ",
		`schema: {pattern: "("}`:        "options:1:9: schema: ",
	}})
}

// TestErrorsAreShort proves that errors are short, with any number of violations.
func TestErrorsAreShort(t *testing.T) {
	tr := plugintest.NewTransform(t, Type(), `schema: {additionalProperties: false}`, plugintest.Env(t))
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, `,"member%d":1`, i)
	}
	_, err := plugintest.Apply(t.Context(), tr, plugintest.NewEvent("{"+b.String()[1:]+"}"))
	if err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "member") {
		t.Errorf("%.2000v", err)
	}
}

// TestVariables proves that text, numbers and whole schemas can come from the environment.
func TestVariables(t *testing.T) {
	for _, raw := range []any{
		options.Expanded(`{"type":"object","properties":{"id":{"minimum":5}}}`),
		map[string]any{"type": options.Expanded("object"), "properties": map[string]any{"id": map[string]any{"minimum": options.Expanded("5")}}},
	} {
		tr, err := build(Options{Schema: raw}, plugintest.Env(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plugintest.Apply(t.Context(), tr, plugintest.NewEvent(`{"id":4}`)); err == nil || !strings.Contains(err.Error(), "minimum") {
			t.Errorf("%v: %v", raw, err)
		}
	}
}

// TestChangedFileIsNoticed proves that the options differ, so that a reload uses the new schema.
func TestChangedFileIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	load := func(text string) *Options {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o := &Options{}
		if err := o.File.UnmarshalText([]byte(path)); err != nil {
			t.Fatal(err)
		}
		return o
	}
	if a, b, c := load(`{}`), load(`{}`), load(`true`); !options.Equal(a, b) || options.Equal(a, c) {
		t.Error("a changed file is not noticed, or one that is the same is")
	}
}
