package exec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// recorder is a program that writes its first line of input and its arguments to the file of the option path.
const recorder = `#!/usr/bin/python3
import json, sys
line = sys.stdin.readline()
with open(json.loads(line)["options"]["path"], "w") as out: out.write(line)
print('{"ready":1}', flush=True)
for line in sys.stdin: print('{"ack":%d}' % json.loads(line)["batch"], flush=True)
`

// TestManifest proves that a manifest in a folder makes a type with its options, defaults and capabilities, and that the program beside
// it gets the options.
func TestManifest(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("recorder.py", recorder, 0o700)
	write("recorder.py.json", `{"protocol":1,"kind":"sink","name":"recorder","summary":"Records.","capabilities":["durable","gaps"],"options":[
		{"name":"path","type":"text","doc":"where to","required":true},{"name":"limit","type":"integer","doc":"most","default":7},{"name":"token","type":"secret","doc":"for it"},
		{"name":"pause","type":"duration","doc":"between two","default":"1500ms"},{"name":"room","type":"size","doc":"in memory","default":"64KiB"},{"name":"server","type":"url","doc":"where"},
		{"name":"tags","type":"list","doc":"some","default":["a"]},{"name":"headers","type":"map","doc":"more"},{"name":"others","type":"list","doc":"none"},{"name":"fast","type":"bool","doc":"whether"}]}`, 0o600)
	all, err := childproc.ReadManifests(dir)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	typ := Program(all[0])
	if err := (plugin.Set{Sinks: []plugin.SinkType{typ}}).Check(); err != nil || !typ.Has(plugin.Durable) || typ.Name() != "recorder" {
		t.Errorf("%v, %q", err, typ.Capabilities())
	}
	if problems := options.Lint(typ.Defaults()); len(problems) > 0 {
		t.Error(problems)
	}
	table := options.Markdown(options.Rows(typ.Defaults()))
	for _, want := range []string{"| `path` | text | required | where to |", "| `limit` | integer | `7` |", "| `token` | secret |", "| `pause` | duration | `1.5s` |", "| `room` | size | `64KiB` |", "| `max_deliveries` |", "| `memory` |"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	opts, out, d := typ.Defaults(), filepath.Join(dir, "out"), options.Decoder{}
	d.Decode("", map[string]any{"path": out, "token": "a-secret-token", "server": "https://user:pass@example.org/x", "headers": map[string]any{"X": "1"}, "max_deliveries": 2}, opts)
	if len(d.Problems) > 0 {
		t.Fatal(d.Problems)
	}
	if got := options.NewRedactor(opts).Text("a-secret-token"); got != "***" {
		t.Errorf("the secret is shown: %s", got)
	}
	s, err := typ.Build(opts, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, gaps := s.(plugin.GapSink); !gaps {
		t.Error("it is told of no gaps")
	}
	if err := s.Write(testenv.Context(t), []*event.Event{{Data: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	if err := s.(plugin.Closer).Close(testenv.Context(t)); err != nil {
		t.Error(err)
	}
	want := fmt.Sprintf(`"options":{"fast":false,"headers":{"X":"1"},"limit":7,"others":[],"path":%q,"pause":1.5,"room":65536,"server":"https://user:pass@example.org/x","tags":["a"],"token":"a-secret-token"}`, out)
	if got := lines(t, out)[0]; !strings.Contains(got, want) {
		t.Errorf("the program gets %s", got)
	}
}

// TestWrongManifests proves that a faulty manifest is refused, and that the error names its file and its fault.
func TestWrongManifests(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "protocol is 0", `{"protocol":1,"kind":"sink","name":"X","summary":"s"}`: `name is "X"`,
		`{"protocol":1,"kind":"pipe","name":"x","summary":"s"}`:                                                                   `kind is "pipe"`,
		`{"protocol":1,"kind":"sink","name":"x","summary":"s","capabilities":["acks"]}`:                                           `a sink has no capability "acks"`,
		`{"protocol":1,"kind":"sink","name":"x","summary":"s","options":[{"name":"a","type":"number","doc":"d"}]}`:                `there is no type "number"`,
		`{"protocol":1,"kind":"sink","name":"x","summary":"s","options":[{"name":"a","type":"integer","doc":"d","default":"x"}]}`: "the default",
		`{"protocol":1,"kind":"sink","name":"x","summary":"s","options":[{"name":"A b","type":"text","doc":"d"}]}`:                "no valid name of an option",
		`{"protocol":1,"kind":"sink","name":"x","summary":"s","more":1}`:                                                          `unknown field "more"`,
		`not JSON`: "does not match the protocol",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := childproc.ReadManifests(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.json") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
