package window

import (
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
)

const all = `fields: {n: count(), with: count(a), sum: sum(a), avg: avg(a), min: min(a), max: max(a), first: first(a), last: last(a), list: list(a)}`

func TestConformance(t *testing.T) {
	keys := func(list ...string) func(int, *event.Event) {
		return func(i int, e *event.Event) { e.Key = list[i] }
	}
	plugintest.BatchTransform(t, plugintest.BatchHarness{Type: Type(), Cases: []plugintest.BatchCase{
		{Name: "numbers", Options: all, In: []string{`{"a":1.50}`, `{"a":-2}`, `{"a":1e1}`}, Out: []string{`{"n":3,"with":3,"sum":9.50,"avg":3.1666666666666665,"min":-2,"max":1e1,"first":1.50,"last":1e1,"list":[1.50,-2,1e1]}`}, Check: func(t testing.TB, _ int, e *event.Event) {
			if e.ID != "window-904fc4649511e0d25f076e81e7190361" || e.Key != "key" || e.Channel != "channel" || e.Source != "source" || !e.Time.Equal(plugintest.Now()) || len(e.Attrs) != 1 {
				t.Errorf("%+v", e)
			}
		}},
		{Name: "one", Options: all, In: []string{`{"a":0.10}`}, Out: []string{`{"n":1,"with":1,"sum":0.10,"avg":0.1,"min":0.10,"max":0.10,"first":0.10,"last":0.10,"list":[0.10]}`}, Check: func(t testing.TB, _ int, e *event.Event) {
			if e.ID != "id-0" {
				t.Errorf("%+v", e)
			}
		}},
		{Name: "missing and null", Options: all, In: []string{`{"a":null}`, `{}`}, Out: []string{`{"n":2,"with":0,"sum":null,"avg":null,"min":null,"max":null,"first":null,"last":null,"list":[]}`}},
		{Name: "missing in one", Options: all, In: []string{`{}`, `{"a":2}`, `{"a":null}`}, Out: []string{`{"n":3,"with":1,"sum":2,"avg":2,"min":2,"max":2,"first":2,"last":2,"list":[2]}`}},
		{Name: "beyond 64 bits", Options: `fields: {sum: sum(a), max: max(a)}`, In: []string{`{"a":9223372036854775807}`, `{"a":9223372036854775807.01}`}, Out: []string{`{"sum":18446744073709551614.01,"max":9223372036854775807.01}`}},
		{Name: "texts", Options: `fields: {min: min(a), max: max(a), list: list(a)}`, In: []string{`{"a":"b"}`, `{"a":"\u0061"}`}, Out: []string{`{"min":"\u0061","max":"b","list":["b","\u0061"]}`}},
		{Name: "expressions", Options: `fields: {"a \"b": sum(a * 2), at: max(event.time), large: list(a > 1), ids: list(event.id)}`, In: []string{`{"a":1}`, `{"a":2}`}, Out: []string{`{"a \"b":6,"at":"2024-01-02T03:04:05.678Z","large":[false,true],"ids":["id-0","id-1"]}`}},
		{Name: "count of no json", Options: `fields: {n: count()}`, In: []string{`1`, `{`}, Out: []string{`{"n":2}`}},
		{Name: "by", Options: `fields: {n: count()}`, By: "7", In: []string{`1`, `2`}, Out: []string{`{"n":2}`}, Check: func(t testing.TB, _ int, e *event.Event) {
			if e.Key != "7" {
				t.Errorf("%+v", e)
			}
		}},
		{Name: "several keys", Options: `fields: {n: count()}`, Prepare: keys("a", "b"), In: []string{`1`, `2`}, Out: []string{`{"n":2}`}, Check: func(t testing.TB, _ int, e *event.Event) {
			if e.Key != "" {
				t.Errorf("%+v", e)
			}
		}},
		{Name: "no json", Options: all, In: []string{`{"a":1}`, `{`}, Error: "field with: the payload is not JSON"},
		{Name: "sum of a text", Options: `fields: {sum: sum(a)}`, In: []string{`{"a":"1"}`}, Error: `field sum: "1" is not a number: convert it, such as float(x)`},
		{Name: "average too large", Options: `fields: {avg: avg(a)}`, In: []string{`{"a":1e999}`}, Error: "field avg: the average is too large"},
		{Name: "min of both", Options: `fields: {min: min(a)}`, In: []string{`{"a":1}`, `{"a":"1"}`}, Error: `field min: 1 and "1" cannot be compared: convert one of them`},
		{Name: "max of an object", Options: `fields: {max: max(a)}`, In: []string{`{"a":{}}`}, Error: `field max: {} cannot be compared: use an expression`},
		{Name: "a number to compute for long", Options: `fields: {sum: sum(a)}`, In: []string{`{"a":1e1000000}`}, Error: "more than 1000 digits, or such an exponent: 1e1000000"},
	}, InvalidOptions: map[string]string{
		`fields: {}`:              "options:1:9: fields: must have at least 1 entry",
		`fields: {a: order}`:      "options:1:13: fields.a: is no aggregate: write a function and its expression, such as sum(order.amount), with one of avg, count",
		`fields: {a: summ(x)}`:    `options:1:13: fields.a: unknown function "summ" (did you mean "sum"?)`,
		`fields: {a: sum()}`:      "options:1:13: fields.a: sum needs an expression, such as sum(order.amount)",
		`fields: {a: sum(x}`:      "options:",
		`fields: {a: "sum(x +)"}`: "options:1:13: fields.a: ",
		`fields: {a: "sum(x)/2"}`: "options:1:13: fields.a: is no aggregate",
	}})
}

// BenchmarkWindow computes five aggregates of a window of 100 orders; an op is one event of it.
func BenchmarkWindow(b *testing.B) {
	var o Options
	for _, f := range [][2]string{{"n", "count()"}, {"sum", "sum(order.amount)"}, {"max", "max(order.amount)"}, {"last", "last(order.status)"}, {"ids", "list(order.id)"}} {
		var a Aggregate
		if err := a.UnmarshalText([]byte(f[1])); err != nil {
			b.Fatal(err)
		}
		o.Fields = append(o.Fields, options.Entry[Aggregate]{Key: f[0], Value: a})
	}
	tr, err := build(o, plugintest.Env(b))
	if err != nil {
		b.Fatal(err)
	}
	var w plugin.Window
	for range 100 {
		w.Events = append(w.Events, plugintest.NewEvent(`{"operation":"INSERT","timestamp":"2024-01-02T03:04:05.678901+00:00","order":{"id":12345,"customer_name":"Ada Lovelace","product":"Analytical Engine","amount":1234.50,"status":"pending"}}`))
	}
	b.ReportAllocs()
	for done := 0; done < b.N; done += len(w.Events) {
		if err := tr.ApplyBatch(b.Context(), w, func(*event.Event) {}); err != nil {
			b.Fatal(err)
		}
	}
}
