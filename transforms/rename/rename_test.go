package rename

import (
	"testing"

	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "keeps place and value", Options: `fields: {a: z}`, In: `{"b":1, "a" : 1.50, "c":3}`, Out: []string{`{"b":1, "z" : 1.50, "c":3}`}},
		{Name: "not there", Options: `fields: {a: z}`, In: `{"z":1}`, Out: []string{`{"z":1}`}},
		{Name: "exists", Options: `fields: {o.a: z}`, In: `{"o":{"a":1,"z":2}}`, Error: "o.a cannot be called z: there is a field of that name already"},
		{Name: "in an element", Options: `fields: {a.0.b: c}`, In: `{"a":[{"b":1},{"b":2}]}`, Out: []string{`{"a":[{"c":1},{"b":2}]}`}},
		{Name: "exists in an element", Options: `fields: {a.0.b: c}`, In: `{"a":[{"b":1,"c":2}]}`, Error: "a.0.b cannot be called c"},
		{Name: "one of two", Options: `fields: {a: z, b: z}`, In: `{"b":2}`, Out: []string{`{"z":2}`}},
		{Name: "two of one", Options: `fields: {a: z, b: z}`, In: `{"a":1,"b":2}`, Error: "a and b cannot both be called z"},
		{Name: "an element has no name", Options: `fields: {l.0: first}`, In: `{"l":[{"x":1}]}`, Out: []string{`{"l":[{"x":1}]}`}},
		{Name: "change places", Options: `fields: {a: b, b: a}`, In: `{"a":1,"b":2}`, Out: []string{`{"b":1,"a":2}`}},
		{Name: "inside and outside", Options: `fields: {o: p, o.a: b}`, In: `{"o":{"a":1}}`, Out: []string{`{"p":{"b":1}}`}},
		{Name: "quotes", Options: `fields: {a: 'x"y'}`, In: `{"a":1}`, Out: []string{`{"x\"y":1}`}},
		{Name: "no json", Options: `fields: {a: b}`, In: `{a}`, Error: "not JSON"},
	}, InvalidOptions: map[string]string{
		"fields:\n  a: ''":  "options:2:6: fields.a: give a name",
		"fields:\n  a.*: b": "options:2:8: fields.a.*: must be one field",
		"fields: {a: [b]}":  "fields.a: must be text",
	}})
}
