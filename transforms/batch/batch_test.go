package batch

import (
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	keys := func(list ...string) func(int, *event.Event) {
		return func(i int, e *event.Event) { e.Key = list[i] }
	}
	plugintest.BatchTransform(t, plugintest.BatchHarness{Type: Type(), Cases: []plugintest.BatchCase{
		{Name: "an array", Options: `{}`, In: []string{`{"a":1.50}`, ` [2] `, `"x"`}, Out: []string{`[{"a":1.50}, [2] ,"x"]`}, Check: func(t testing.TB, _ int, e *event.Event) {
			if e.ID != "batch-904fc4649511e0d25f076e81e7190361" || e.Key != "key" || e.Channel != "channel" || e.Source != "source" || !e.Time.Equal(plugintest.Now()) || len(e.Attrs) != 1 {
				t.Errorf("%+v", e)
			}
		}},
		{Name: "one", Options: `{}`, In: []string{`1`}, Out: []string{`[1]`}, Check: func(t testing.TB, _ int, e *event.Event) {
			if e.ID != "id-0" {
				t.Errorf("%+v", e)
			}
		}},
		{Name: "lines", Options: `format: lines`, In: []string{"{\"a\":\n1}", `2`}, Out: []string{"{\"a\": 1}\n2"}},
		{Name: "by", Options: `{}`, By: "7", In: []string{`1`, `2`}, Out: []string{`[1,2]`}, Check: func(t testing.TB, _ int, e *event.Event) {
			if e.Key != "7" {
				t.Errorf("%+v", e)
			}
		}},
		{Name: "several keys", Options: `{}`, Prepare: keys("a", "b"), In: []string{`1`, `2`}, Out: []string{`[1,2]`}, Check: func(t testing.TB, _ int, e *event.Event) {
			if e.Key != "" {
				t.Errorf("%+v", e)
			}
		}},
		{Name: "what not all have", Options: `{}`, In: []string{`1`, `2`}, Out: []string{`[1,2]`}, Prepare: func(i int, e *event.Event) {
			if i == 1 {
				e.ID, e.Channel, e.Attrs = "", "another", []event.Attr{{Name: "table", Value: "others"}}
			}
		}, Check: func(t testing.TB, _ int, e *event.Event) {
			if e.ID != "" || e.Channel != "" || len(e.Attrs) != 0 {
				t.Errorf("%+v", e)
			}
		}},
		{Name: "latest", Options: `latest: true`, Prepare: keys("a", "b", "a", "", ""), In: []string{`1`, `2`, `3`, `4`, `5`}, Out: []string{`[2,3,4,5]`}},
		{Name: "no json", Options: `{}`, In: []string{`1`, `{`}, Error: "not JSON"},
	}, InvalidOptions: map[string]string{`format: xml`: "options:1:9: format: unknown value \"xml\" (known: array, lines)"}})
}
