package app

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// asyncAPI is what the tests read of web/client/asyncapi.yaml.
type asyncAPI struct {
	text     []byte // as JSON
	messages map[string]struct {
		Ref      string `json:"$ref"`
		Payload  any
		Examples []struct{ Payload any }
	}
}

func readAsyncAPI(t testing.TB) asyncAPI {
	t.Helper()
	text, err := os.ReadFile("../../web/client/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var api asyncAPI
	if api.text, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	var parts struct {
		Components struct{ Messages json.RawMessage }
	}
	if err := json.Unmarshal(api.text, &parts); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(parts.Components.Messages, &api.messages); err != nil {
		t.Fatal(err)
	}
	return api
}

// check returns an error if a message does not have the schema of a name.
func (api asyncAPI) check(t testing.TB, name string, message []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("asyncapi.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("asyncapi.json#/components/messages/" + name + "/payload")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(message))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// TestAsyncAPIDescribesControlMessages proves that the AsyncAPI document has each control message of the gateway, that its
// references lead somewhere, and that each example has the schema of its message.
func TestAsyncAPIDescribesControlMessages(t *testing.T) {
	api := readAsyncAPI(t)
	code, err := os.ReadFile("../../sinks/websocket/protocol.go")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^var controlTypes = \[\]string\{(.*)\}$`).FindSubmatch(code)
	if list == nil {
		t.Fatal("sinks/websocket/protocol.go lists no controlTypes")
	}
	for name := range strings.SplitSeq(string(list[1]), ", ") {
		if _, ok := api.messages[strings.Trim(name, `"`)]; !ok {
			t.Errorf("asyncapi.yaml does not have the control message %s", name)
		}
	}
	for name, m := range api.messages {
		if m.Payload == nil {
			continue // an event may be anything
		}
		if len(m.Examples) == 0 {
			t.Errorf("%s has no example", name)
		}
		for _, example := range m.Examples {
			text, _ := json.Marshal(example.Payload) // decoded JSON always encodes
			if err := api.check(t, name, text); err != nil {
				t.Errorf("%s: %s: %v", name, text, err)
			}
		}
	}
	if api.check(t, "subscribed", []byte(`{"type":"subscribed","epoch":"E"}`)) == nil {
		t.Error("the schemas accept a message without its offset")
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"#/([^"]+)"`).FindAllSubmatch(api.text, -1) {
		var at any
		_ = json.Unmarshal(api.text, &at) // readAsyncAPI has made it
		for part := range strings.SplitSeq(string(ref[1]), "/") {
			object, _ := at.(map[string]any)
			at = object[part]
		}
		if at == nil {
			t.Errorf("nothing is at %s", ref[1])
		}
	}
}
