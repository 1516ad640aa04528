package options

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestValuesHaveNoSecrets proves that Values shows each kind of option, without secrets, and says which differ from their defaults.
func TestValuesHaveNoSecrets(t *testing.T) {
	type nested struct {
		Size Size `koanf:"size" doc:"a size"`
	}
	type all struct {
		URL     URL           `koanf:"url" rule:"required" doc:"a URL"`
		Headers Map[Secret]   `koanf:"headers" doc:"secrets"`
		Names   []string      `koanf:"names" doc:"texts"`
		Any     any           `koanf:"any" doc:"anything"`
		On      bool          `koanf:"on" doc:"a flag"`
		Number  int           `koanf:"number" doc:"a number"`
		Nested  nested        `koanf:"nested"`
		Times   Map[Duration] `koanf:"times" doc:"durations"`
		hidden  string
	}
	defaults := &all{Number: 3, Nested: nested{Size: 1 << 10}}
	o := &all{URL: NewURL("redis://:geheim@h/1"), Headers: Map[Secret]{{"X-Key", NewSecret("geheim")}}, Names: []string{"a", "geheim"},
		Any: map[string]any{"k": []any{"geheim", 1}}, Number: 3, Nested: nested{Size: 1 << 10}, Times: Map[Duration]{{"t", Duration(1e9)}}, hidden: "geheim"}
	values := Values(o, defaults, func(text string) string { return strings.ReplaceAll(text, "geheim", "***") })
	shown, set := map[string]any{}, ""
	for _, v := range values {
		shown[v.Name] = v.Value
		if v.Set {
			set += v.Name + " "
		}
	}
	got, err := json.Marshal(shown)
	want := `{"any":{"k":["***",1]},"headers":{"X-Key":"***"},"names":["a","***"],"nested.size":"1KiB","number":3,"on":false,"times":{"t":"1s"},"url":"redis://:***@h/1"}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s (%v)", got, want, err)
	}
	if set != "url headers names any times " || values[0].Default != "required" {
		t.Errorf("set: %s; %+v", set, values[0])
	}
}
