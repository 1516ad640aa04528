package schema

import (
	"os"
	"path/filepath"
	"testing"

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
		{Name: "wrong type", Options: order, In: `{"id":"7"}`, Error: "the schema does not allow it: /id: got string, want integer"},
		{Name: "missing", Options: order, In: `{}`, Error: "/: missing property 'id'"},
		{Name: "two", Options: order, In: `{"id":1.5,"mail":"x","more":1}`, Error: "/mail: 'x' is not valid email"},
		{Name: "no json", Options: order, In: `{"id":7}}`, Error: "not JSON"},
		{Name: "text", Options: `schema: '{"type": "string"}'`, In: `"x"`, Out: []string{`"x"`}},
		{Name: "file with a reference", Options: "file: " + file, In: `{"id":7}`, Out: []string{`{"id":7}`}},
		{Name: "refused by a reference", Options: "file: " + file, In: `{"id":"7"}`, Error: "/id: got string, want integer"},
	}, Bad: map[string]string{
		`{}`:                          "needs schema, or file",
		`{schema: {}, file: x}`:       "file: cannot stand beside schema",
		`file: /no/such/file`:         "options:1:7: file: cannot be read: stat /no/such/file: no such file",
		`file: ` + broken:             "options:1:7: file: is not a JSON Schema: /type",
		`schema: {type: integr}`:      "options:1:9: schema: is not a JSON Schema: /type",
		`schema: '{'`:                 "options:1:9: schema: is not JSON",
		`schema: {$ref: "#/nothing"}`: "options:1:9: schema: ",
		`schema: {pattern: "("}`:      "options:1:9: schema: ",
	}})
}
