package mapping

import (
	"testing"

	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "in order", Options: `fields: {z: a.b, "a b": a, n: missing}`, In: `{"a":{"b":10.00,"a":1}}`, Out: []string{`{"z":10.00,"a b":{"b":10.00,"a":1},"n":null}`}},
		{Name: "computed", Options: `fields: {x: 'len(list) * 2', o: '{"k": upper(s)}', t: now()}`, In: `{"list":[1,2],"s":"é"}`, Out: []string{`{"x":4,"o":{"k":"É"},"t":"2024-01-02T03:04:05.678Z"}`}},
		{Name: "dots are names", Options: `fields: {a.b: "1"}`, In: `{}`, Out: []string{`{"a.b":1}`}},
		{Name: "any payload", Options: `fields: {list: payload, first: 'payload[0]'}`, In: ` [1.0, 2]`, Out: []string{`{"list":[1.0, 2],"first":1.0}`}},
		{Name: "no json", Options: `fields: {a: b}`, In: `x`, Error: "field a: the payload is not JSON"},
		{Name: "no number", Options: `fields: {a: b}`, In: `{"b":1e999}`, Out: []string{`{"a":1e999}`}},
		{Name: "too large to count with", Options: `fields: {a: b + 1}`, In: `{"b":1e999}`, Error: "field a: a value of type float64 cannot be written"},
	}, InvalidOptions: map[string]string{
		"fields:\n  a: foo(1)": "options:2:6: fields.a: wrong expression `foo(1)` at column 1: there is no function foo",
		"{}":                   "fields: must have at least 1 entry",
	}})
}
