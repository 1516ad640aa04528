package filter

import (
	"testing"

	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	when := func(source string) func(any) {
		return func(o any) {
			if err := o.(*Options).When.UnmarshalText([]byte(source)); err != nil {
				t.Fatal(err)
			}
		}
	}
	const insert = `{"operation":"INSERT","order":{"amount":100.50}}`
	large := when(`operation == "INSERT" && order.amount > 100`)
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "holds", Options: large, In: insert, Out: []string{insert}},
		{Name: "does not hold", Options: large, In: `{"operation":"INSERT","order":{"amount":99.5}}`},
		{Name: "not reached", Options: large, In: `{"operation":"DELETE"}`},
		{Name: "cannot be evaluated", Options: large, In: `{"operation":"INSERT"}`, Error: "order"},
		{Name: "no json", Options: large, In: `text`, Error: "not JSON"},
		{Name: "event", Options: when(`event.channel == "channel"`), In: `text`, Out: []string{`text`}},
	}})
}
