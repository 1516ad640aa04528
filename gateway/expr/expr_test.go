package expr

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
)

var sample = &event.Event{
	ID: "e1", Source: "db", Channel: "orders_channel", Key: "7", Time: time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.FixedZone("", 3600)),
	Attrs: []event.Attr{{Name: "pattern", Value: "o*"}},
	Data:  []byte(`{"operation":"INSERT","order":{"id":7,"amount":100.50,"tags":["a","b"],"done":false,"note":null},"event":"mine"}`),
}

func TestValues(t *testing.T) {
	for source, want := range map[string]string{
		`operation`:                   `"INSERT"`,
		`order.id`:                    `7`,
		`order.amount * 2`:            `201`,
		`order.tags`:                  `["a","b"]`,
		`order.missing`:               `null`,
		`missing`:                     `null`,
		`missing ?? "none"`:           `"none"`,
		`event.channel`:               `"orders_channel"`,
		`event.attrs.pattern`:         `"o*"`,
		`event.time`:                  `"2024-01-02T02:04:05.678Z"`,
		`payload.event`:               `"mine"`,
		`len(payload.order.tags)`:     `2`,
		`{"a": order.id, "b": "<&>"}`: `{"a":7,"b":"<&>"}`,
		`"é\n"`:                       `"é\n"`,
		`let o = order; o.id + 1`:     `8`,
		`upper(operation)`:            `"INSERT"`,
	} {
		e, err := Compile(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var x Evaluator
		v, err := x.Value(e, sample)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got, err := AppendJSON(nil, v); err != nil || string(got) != want {
			t.Errorf("%s is %s, %v; want %s", source, got, err, want)
		}
	}
}

func TestNowIsISOWithMilliseconds(t *testing.T) {
	e, err := Compile("now()")
	if err != nil {
		t.Fatal(err)
	}
	var x Evaluator
	// A program that reads no field works over a payload that is not JSON.
	v, err := x.Value(e, &event.Event{Data: []byte("\xff")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := AppendJSON(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if at, err := time.Parse(ISOMillis, s); err != nil || time.Since(at) > time.Minute {
		t.Errorf("now() is %s, %v", s, err)
	}
}

func TestConditions(t *testing.T) {
	var x Evaluator
	for source, want := range map[string]string{
		`operation == "INSERT" && order.amount > 100`: "true",
		`order.done`: "false",
		`100 < order.amount < 101 && 1 < order.id < 8`: "true",
		`100 < order.amount < 100.5`:                   "false",
		`"b" in order.tags`:                            "true",
		`order.missing == nil`:                         "true",
		`order.missing > 1`:                            "error",
		`order.note`:                                   "false", // nil is false
		`missing.deeper == nil`:                        "error",
	} {
		var c Condition
		if err := c.UnmarshalText([]byte(source)); err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		ok, err := x.True(c, sample)
		got := map[bool]string{true: "true", false: "false"}[ok]
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s is %s (%v), want %s", source, got, err, want)
		}
	}
	var c Condition
	if err := c.UnmarshalText([]byte(`operation == "x"`)); err != nil {
		t.Fatal(err)
	}
	if _, err := x.True(c, &event.Event{Data: []byte("no json")}); err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("over bytes that are no JSON: %v", err)
	}
}

// TestErrorsNameTheColumn proves that the error of an expression has its position and a hint.
func TestErrorsNameTheColumn(t *testing.T) {
	for source, want := range map[string]string{
		`order.amount >`: "at column 14: unexpected token EOF",
		`foo(1)`:         "at column 1: there is no function foo",
		``:               "empty",
		`a ==== b`:       "at column 5",
		`a = b`:          "at column 3: unexpected =; write == to compare",
		`a AND b`:        "at column 3: unexpected AND; write && or and",
	} {
		if _, err := Compile(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", source, err, want)
		}
	}
}

// TestConditionsMustBeBoolean proves that a condition with a result of another type does not compile.
func TestConditionsMustBeBoolean(t *testing.T) {
	for source, want := range map[string]string{
		`order.amount + 1`: "at column 14: a condition is true or false, and + is neither",
		`"text"`:           "expected bool",
		`a..b`:             "expected bool, but got list",
	} {
		var c Condition
		if err := c.UnmarshalText([]byte(source)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", source, err, want)
		}
	}
}

func TestTemplates(t *testing.T) {
	var x Evaluator
	for source, want := range map[string]string{
		"plain":                              "plain",
		"orders.{{ event.key }}":             "orders.7",
		"{{operation}} {{ order.amount }}€":  "INSERT 100.50€",
		"{{ order.missing }}|{{order.tags}}": `|["a","b"]`,
	} {
		got, err := x.Append(nil, MustTemplate(source), sample)
		if err != nil || string(got) != want {
			t.Errorf("%s is %s, %v; want %s", source, got, err, want)
		}
	}
	if _, ok := MustTemplate("a{{1}}").Literal(); ok {
		t.Error("a template with an expression is no literal")
	}
	if text, ok := MustTemplate("orders").Literal(); !ok || text != "orders" {
		t.Errorf("literal %q, %v", text, ok)
	}
}
