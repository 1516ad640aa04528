package filter

import (
	"testing"

	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	const insert = `{"operation":"INSERT","order":{"amount":100.50}}`
	const large = `when: operation == "INSERT" && order.amount > 100`
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "holds", Options: large, In: insert, Out: []string{insert}},
		{Name: "does not hold", Options: large, In: `{"operation":"INSERT","order":{"amount":99.5}}`},
		{Name: "not reached", Options: large, In: `{"operation":"DELETE"}`},
		{Name: "cannot be evaluated", Options: large, In: `{"operation":"INSERT"}`, Error: "order"},
		{Name: "no json", Options: large, In: `text`, Error: "not JSON"},
		{Name: "event", Options: `when: event.channel == "channel" && event.attrs.table == "orders"`, In: `text`, Out: []string{`text`}},
	}, InvalidOptions: map[string]string{
		`{}`:                     "when: is required",
		`when: "order.amount >"`: "options:1:7: when: wrong expression `order.amount >` at column 14",
		`when: event.nothing`:    "event has no nothing",
		`when: '"text"'`:         "when: wrong expression",
		`wen: "true"`:            `options:1:1: wen: unknown option (did you mean "when"?)`,
	}})
}
