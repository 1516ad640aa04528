package set

import (
	"testing"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	fields := func(pairs ...string) func(any) {
		return func(o any) {
			for i := 0; i < len(pairs); i += 2 {
				e, err := expr.Compile(pairs[i+1])
				if err != nil {
					t.Fatal(err)
				}
				f := &o.(*Options).Fields
				*f = append(*f, options.Entry[expr.Expression]{Key: pairs[i], Value: e})
			}
		}
	}
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "appends in order", Options: fields("z", `"text"`, "a", "order.id + 1"), In: `{"order":{"id":7},"n":1.50}`, Out: []string{`{"order":{"id":7},"n":1.50,"z":"text","a":8}`}},
		{Name: "empty object", Options: fields("a", "1"), In: `{ }`, Out: []string{`{"a":1}`}},
		{Name: "white space", Options: fields("a", "1"), In: " {\"b\":2\n} \n", Out: []string{`{"b":2,"a":1}`}},
		{Name: "name with quotes", Options: fields(`a"b`, "nil"), In: `{"x":1}`, Out: []string{`{"x":1,"a\"b":null}`}},
		{Name: "from the event", Options: fields("c", "event.channel"), In: `{}`, Out: []string{`{"c":"channel"}`}},
		{Name: "no object", Options: fields("a", "1"), In: `[1]`, Error: "needs a JSON object"},
		{Name: "fails", Options: fields("a", "missing.deeper"), In: `{}`, Error: "field a: wrong expression"},
	}})
}
