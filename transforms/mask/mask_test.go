package mask

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/rawjson"
)

func TestConformance(t *testing.T) {
	sum := func(text string) string {
		s := sha256.Sum256([]byte(text))
		return `"` + hex.EncodeToString(s[:]) + `"`
	}
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "any value", Options: `fields: ["*"]`, In: `{"a":1.5, "b":"x","c":{"d":1},"e":[1],"f":null,"g":true}`, Out: []string{`{"a":"***", "b":"***","c":"***","e":"***","f":null,"g":"***"}`}},
		{Name: "all of a name", Options: `{fields: [a], text: ""}`, In: `{"a":"x","\u0061":"y","b":1.0}`, Out: []string{`{"a":"","\u0061":"","b":1.0}`}},
		{Name: "hash", Options: `{fields: [a, b], with: hash}`, In: `{"a":"\u0041da","b":1.50}`, Out: []string{`{"a":` + sum("Ada") + `,"b":` + sum("1.50") + `}`}},
		{Name: "not there", Options: `fields: [x]`, In: `{"a":1}`, Out: []string{`{"a":1}`}},
		{Name: "no json", Options: `fields: [a]`, In: `{"a":"secret"`, Error: "not JSON"},
	}, InvalidOptions: map[string]string{
		`{fields: [a], with: hsah}`: `options:1:21: with: unknown value "hsah" (did you mean "hash"?)`,
		`{fields: [a], key: k}`:     "options:1:20: key: is for with: hash",
	}})
}

// TestHide proves that Hide replaces the values of the fields, and returns an error for a payload that is not JSON.
func TestHide(t *testing.T) {
	impl, err := Type().Build(&Options{Fields: []rawjson.Path{rawjson.MustPath("a.b"), rawjson.MustPath("c.*")}, With: "hash"}, plugin.Env{})
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
