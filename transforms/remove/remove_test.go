package remove

import (
	"testing"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/rawjson"
)

func TestConformance(t *testing.T) {
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "keeps the rest", Options: `fields: [b]`, In: `{"a" : 1.50, "b":[1], "a":2e400}`, Out: []string{`{"a" : 1.50, "a":2e400}`}},
		{Name: "all of a name", Options: `fields: [a]`, In: `{"a":1,"b":2,"a":3}`, Out: []string{`{"b":2}`}},
		{Name: "escaped name", Options: `fields: [secret]`, In: `{"s\u0065cret":1,"b":2}`, Out: []string{`{"b":2}`}},
		{Name: "not there", Options: `fields: [x.y, a.b]`, In: `{"a":1}`, Out: []string{`{"a":1}`}},
		{Name: "no object", Options: `fields: [a]`, In: `7`, Out: []string{`7`}},
		{Name: "elements", Options: `fields: ["*.a", "1"]`, In: `[{"a":1,"b":2},{"b":3},{"a":4}]`, Out: []string{`[{"b":2},{}]`}},
		{Name: "no json", Options: `fields: [a]`, In: `{"a":1`, Error: "not JSON"},
	}, InvalidOptions: map[string]string{
		`{}`:              "fields: must have at least 1 entry",
		`fields: order`:   "options:1:9: fields: must be a list",
		`fields: [a, ""]`: "options:1:13: fields[1]: a field is missing",
		`fields: ['a\b']`: `options:1:10: fields[0]: a \ stands before`,
	}})
}

// TestHide proves that Hide replaces the values of the fields, and returns an error for a payload that is not JSON.
func TestHide(t *testing.T) {
	impl, err := Type().Build(&Options{Fields: []rawjson.Path{rawjson.MustPath("a.b"), rawjson.MustPath("c.*")}}, plugin.Env{})
	if err != nil {
		t.Fatal(err)
	}
	h := impl.(plugin.Hider)
	if got, err := h.Hide([]byte(`{"a":{"b":"x","d":1},"c":[1,{"e":2}]}`)); err != nil || string(got) != `{"a":{"b":"***","d":1},"c":["***","***"]}` {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := h.Hide([]byte(`{"a":{"b":"x"`)); err == nil {
		t.Errorf("not JSON: %s", got)
	}
}
