package set

import (
	"testing"

	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "appends in order", Options: `fields: {z: '"text"', a: order.id + 1}`, In: `{"order":{"id":7},"n":1.50}`, Out: []string{`{"order":{"id":7},"n":1.50,"z":"text","a":8}`}},
		{Name: "in its place", Options: `fields: {a: "1"}`, In: `{"a" : 0 , "b":[2]}`, Out: []string{`{"a" : 1 , "b":[2]}`}},
		{Name: "duplicates", Options: `fields: {a: "1"}`, In: `{"a":5,"b":1.0,"b":2,"a":6}`, Out: []string{`{"a":1,"b":1.0,"b":2,"a":1}`}},
		{Name: "nested", Options: `fields: {order.total: order.amount, new.x.y: "1"}`, In: `{"order":{"amount":10.00}}`, Out: []string{`{"order":{"amount":10.00,"total":10.00},"new":{"x":{"y":1}}}`}},
		{Name: "sees what came", Options: `fields: {a: b, b: a}`, In: `{"a":1.0,"b":2.0}`, Out: []string{`{"a":2.0,"b":1.0}`}},
		{Name: "copies objects as they are", Options: `fields: {copy: payload.o}`, In: `{"o":{"z":1.50,"a":[ ],"z":2}}`, Out: []string{`{"o":{"z":1.50,"a":[ ],"z":2},"copy":{"z":1.50,"a":[ ],"z":2}}`}},
		{Name: "empty object", Options: `fields: {a: "1"}`, In: `{}`, Out: []string{`{"a":1}`}},
		{Name: "white space", Options: `fields: {a: "1"}`, In: " {\"b\":2\n} \n", Out: []string{" {\"b\":2,\"a\":1\n} \n"}},
		{Name: "name with quotes and a dot", Options: `fields: {'a"b\.c': nil}`, In: `{"x":1}`, Out: []string{`{"x":1,"a\"b.c":null}`}},
		{Name: "from the event", Options: `fields: {c: event.channel, id: uuid()}`, In: `{}`, Out: []string{`{"c":"channel","id":"00000000-0000-4000-8000-000000000001"}`}},
		{Name: "no object", Options: `fields: {a: "1"}`, In: `[1]`, Error: "the payload is a list"},
		{Name: "no json", Options: `fields: {a: "1"}`, In: `{"a":}`, Error: "not JSON"},
		{Name: "in a text", Options: `fields: {a.b: "1"}`, In: `{"a":"x"}`, Error: "a is text"},
		{Name: "in an element", Options: `fields: {a.1.b: "2"}`, In: `{"a":[0,{"b":1}]}`, Out: []string{`{"a":[0,{"b":2}]}`}},
		{Name: "in an element that is not there", Options: `fields: {a.2: "2"}`, In: `{"a":[0,1]}`, Error: "a list has no 2 to be set"},
		{Name: "fails", Options: `fields: {a: missing.deeper}`, In: `{}`, Error: "field a: cannot evaluate"},
	}, InvalidOptions: map[string]string{
		`fields: {}`:                        "options:1:9: fields: must have at least 1 entry",
		"fields:\n  a: order.":              "options:2:6: fields.a: wrong expression `order.` at column",
		"fields:\n  lines.*: now()":         "options:2:12: fields.lines.*: must be one field",
		"fields:\n  a.b: now()\n  a: now()": "options:3:6: fields.a: the field a.b is set, too",
		"fields:\n  a..b: now()":            "options:2:9: fields.a..b: a field is missing",
	}})
}
