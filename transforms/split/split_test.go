package split

import (
	"fmt"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	numbered := func(t testing.TB, i int, e *event.Event) {
		if e.ID != fmt.Sprintf("id/%d", i) || e.Key != "key" || e.Channel != "channel" {
			t.Errorf("%+v", e)
		}
	}
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "the payload", Options: `{}`, In: ` [1.50, {"a":[]} ,"x"]`, Out: []string{`1.50`, `{"a":[]}`, `"x"`}, Check: numbered},
		{Name: "a field", Options: `field: o.list`, In: `{"o":{"list":[1,2]}}`, Out: []string{`1`, `2`}, Check: numbered},
		{Name: "in its place", Options: `{field: o.list, keep: true}`, In: `{"o":{"list":[1,2], "n":1.0}}`, Out: []string{`{"o":{"list":1, "n":1.0}}`, `{"o":{"list":2, "n":1.0}}`}, Check: numbered},
		{Name: "in an element", Options: `{field: a.1, keep: true}`, In: `{"a":[0,[1,2]]}`, Out: []string{`{"a":[0,1]}`, `{"a":[0,2]}`}, Check: numbered},
		{Name: "too many", Options: `max: {events: 2}`, In: `[1,2,3]`, Error: "exceeds max.events: 2"},
		{Name: "too much", Options: `{field: l, keep: true, max: {bytes: 20}}`, In: `{"l":[1,2,3],"pad":"x"}`, Error: "max.bytes: 20"},
		{Name: "just enough", Options: `max: {events: 3, bytes: 3}`, In: `[1,2,3]`, Out: []string{`1`, `2`, `3`}, Check: numbered},
		{Name: "empty", Options: `field: a`, In: `{"a":[ ]}`},
		{Name: "not there", Options: `field: a`, In: `{"b":[1]}`, Error: "the field a is not an array"},
		{Name: "no array", Options: `{}`, In: `{}`, Error: "the payload is not an array"},
		{Name: "no json", Options: `{}`, In: `[1,`, Error: "not JSON"},
	}, InvalidOptions: map[string]string{
		`field: a.*`:  "options:1:8: field: must be one field",
		`keep: maybe`: "options:1:7: keep: must be true or false",
	}})
}
