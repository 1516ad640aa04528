package cloudevents

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
)

const (
	wrapping = `{ce_type: order, ce_source: /shop}`
	before   = `{"specversion":"1.0","id":"id","source":"/shop","type":"order","time":"2024-01-02T03:04:05.678Z",`
)

func TestConformance(t *testing.T) {
	unwrapped := func(t testing.TB, _ int, e *event.Event) {
		if e.ID != "A" || e.Key != "key" || e.Attrs[0].Value != "orders" {
			t.Errorf("%+v", e)
		}
		for name, want := range map[string]string{"ce_type": "t\"x", "ce_source": "/s"} {
			if got, _ := e.Attr(name); got != want {
				t.Errorf("%s is %q in %+v", name, got, e.Attrs)
			}
		}
	}
	const head = `{"specversion":"1.0","id":"A","type":"t\"x","source":"/s"`
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "JSON as it is", Options: wrapping, In: ` {"b":1.50, "a":[]}`, Out: []string{before + `"datacontenttype":"application/json","data": {"b":1.50, "a":[]}}`}},
		{Name: "text", Options: wrapping, In: "hello \"é\"\n", Out: []string{before + `"datacontenttype":"text/plain; charset=utf-8","data":"hello \"é\"\n"}`}},
		{Name: "bytes", Options: wrapping, In: "\xff\x00", Out: []string{before + `"datacontenttype":"application/octet-stream","data_base64":"/wA="}`}},
		{Name: "no subject", Options: `{ce_type: t, ce_subject: "{{ order.id }}"}`, In: `{"order":{}}`, Out: []string{`{"specversion":"1.0","id":"id","source":"/source/channel","type":"t","time":"2024-01-02T03:04:05.678Z","datacontenttype":"application/json","data":{"order":{}}}`}},
		{Name: "no type", Options: `ce_type: "{{ operation }}"`, In: `{}`, Error: "ce_type: the template `{{ operation }}` gives nothing"},
		{Name: "fails", Options: `ce_type: "{{ a.b }}"`, In: `{}`, Error: "ce_type: template `{{ a.b }}`"},
		{Name: "unwrap JSON", Options: `mode: unwrap`, In: head + `, "data" : {"n":1.50} }`, Out: []string{`{"n":1.50}`}, Check: unwrapped},
		{Name: "unwrap a JSON text", Options: `mode: unwrap`, In: head + `,"data":"x"}`, Out: []string{`"x"`}, Check: unwrapped},
		{Name: "unwrap text", Options: `mode: unwrap`, In: head + `,"datacontenttype":"text/plain","data":"x\n"}`, Out: []string{"x\n"}, Check: unwrapped},
		{Name: "unwrap bytes", Options: `mode: unwrap`, In: head + `,"data_base64":"/wA="}`, Out: []string{"\xff\x00"}, Check: unwrapped},
		{Name: "unwrap nothing", Options: `mode: unwrap`, In: head + `}`, Out: []string{"null"}, Check: unwrapped},
		{Name: "not base64", Options: `mode: unwrap`, In: head + `,"data_base64":"?"}`, Error: "data_base64: illegal"},
		{Name: "null is nothing", Options: `mode: unwrap`, In: head + `,"data_base64":null,"data":1}`, Out: []string{"1"}, Check: unwrapped},
		{Name: "both", Options: `mode: unwrap`, In: head + `,"data_base64":"","data":1}`, Error: "data and data_base64"},
		{Name: "base64 that is no text", Options: `mode: unwrap`, In: head + `,"data_base64":7}`, Error: "data_base64 is not text"},
		{Name: "no source", Options: `mode: unwrap`, In: `{"specversion":"1.0","id":"A","type":"t"}`, Error: "no source"},
		{Name: "another version", Options: `mode: unwrap`, In: `{"specversion":"0.3","id":"A"}`, Error: `specversion is "0.3"`},
		{Name: "no cloud event", Options: `mode: unwrap`, In: `[]`, Error: "not a CloudEvent"},
		{Name: "no id", Options: `mode: unwrap`, In: `{"specversion":"1.0","type":"t"}`, Error: "has no id"},
	}, InvalidOptions: map[string]string{
		`{}`:                          "ce_type: is required for wrap",
		`{ce_type: "{{", mode: wrap}`: "options:1:11: ce_type: a {{ lacks its }}",
		`{ce_type: t, ce_source: ""}`: "ce_source: is required for wrap",
		`{ce_type: t, mode: unwrap}`:  "options:1:11: ce_type: is for wrap",
	}})
}

// TestWrapAndUnwrap proves that unwrapping returns the wrapped payload, and that the envelope has what
// the specification requires.
func TestWrapAndUnwrap(t *testing.T) {
	in, out := plugintest.NewTransform(t, Type(), wrapping, plugintest.Env(t)), plugintest.NewTransform(t, Type(), `mode: unwrap`, plugintest.Env(t))
	rapid.Check(t, func(rt *rapid.T) {
		payload := rapid.OneOf(
			rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
			rapid.Map(rapid.MapOf(rapid.String(), rapid.Float64()), func(m map[string]float64) []byte { b, _ := json.Marshal(m); return b }),
		).Draw(rt, "payload")
		e := plugintest.NewEvent(string(payload))
		e.ID = rapid.SampledFrom([]string{"", "x\"y"}).Draw(rt, "id")
		wrapped, err := plugintest.Apply(t.Context(), in, e)
		if err != nil {
			rt.Fatal(err)
		}
		var envelope struct {
			SpecVersion, ID, Source, Type string
			Time                          time.Time
		}
		if err := json.Unmarshal(wrapped[0].Data, &envelope); err != nil {
			rt.Fatalf("%s: %v", wrapped[0].Data, err)
		}
		if envelope.SpecVersion != "1.0" || envelope.ID == "" || envelope.Source != "/shop" || envelope.Type != "order" || !envelope.Time.Equal(e.Time) {
			rt.Fatalf("%s", wrapped[0].Data)
		}
		back, err := plugintest.Apply(t.Context(), out, wrapped[0])
		if err != nil || !slices.Equal(back[0].Data, payload) || back[0].ID != envelope.ID {
			rt.Fatalf("%q came back as %q, %v", payload, back[0].Data, err)
		}
	})
}
