package json

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "object", In: `{"b":1.50,"a":1e400,"a":2}`, Out: []string{`{"b":1.50,"a":1e400,"a":2}`}},
		{Name: "white space around", In: " {\n}\t", Out: []string{" {\n}\t"}},
		{Name: "number", In: `42`, Out: []string{`{"operation":"UNKNOWN","raw":"42"}`}},
		{Name: "nothing", In: ``, Out: []string{`{"operation":"UNKNOWN","raw":""}`}},
		{Name: "html", In: `<b>&"`, Out: []string{`{"operation":"UNKNOWN","raw":"<b>&\""}`}},
		{Name: "not utf-8", In: "\xff", Out: []string{`{"operation":"UNKNOWN","raw":"\ufffd","raw_base64":"/w=="}`}},
		{Name: "object that is not utf-8", In: "{\"a\":\"\xff\"}", Out: []string{`{"operation":"UNKNOWN","raw":"{\"a\":\"\ufffd\"}","raw_base64":"eyJhIjoi/yJ9"}`}},
		{Name: "drop", Options: "invalid: drop", In: `null`},
		{Name: "dead letter", Options: "invalid: dead_letter", In: `null`, Error: "not a JSON object"},
		{Name: "no operation", Options: `wrap: {operation: "", field: text}`, In: `x`, Out: []string{`{"text":"x"}`}},
	}, InvalidOptions: map[string]string{
		`invalid: warp`:     `options:1:10: invalid: unknown value "warp" (did you mean "wrap"?)`,
		`wrap: {field: ""}`: "options:1:15: wrap.field: is required",
	}})
}

// TestAlwaysAnObject proves that every payload becomes an object, and text is kept.
func TestAlwaysAnObject(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(rt, "in")
		tr := &transform{Options{Invalid: "wrap", Wrap: Wrap{Operation: "UNKNOWN", Field: "raw"}}}
		out, err := plugintest.Apply(t.Context(), tr, &event.Event{Data: []byte(in)})
		if err != nil || len(out) != 1 {
			rt.Fatalf("%d events, %v", len(out), err)
		}
		var object struct {
			Raw   string `json:"raw"`
			Bytes []byte `json:"raw_base64"`
		}
		if err := json.Unmarshal(out[0].Data, &object); err != nil {
			rt.Fatalf("%s: %v", out[0].Data, err)
		}
		if string(out[0].Data) != in && object.Raw != in && string(object.Bytes) != in {
			rt.Fatalf("%q became %s", in, out[0].Data)
		}
	})
}
