package plugintest

import (
	"errors"
	"fmt"
	"testing"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// configure makes an instance of options that are written in YAML, as they stand in a
// configuration file. The error names the place, line:col, and the option.
func configure[T any](t testing.TB, typ plugin.Type[T], text string, env plugin.Env) (impl T, err error) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	body := &yaml.Node{Kind: yaml.MappingNode}
	if len(doc.Content) > 0 {
		body = doc.Content[0]
	}
	return fromNode(t, typ, body, env)
}

func fromNode[T any](t testing.TB, typ plugin.Type[T], body *yaml.Node, env plugin.Env) (impl T, err error) {
	t.Helper()
	at := positions{}
	at.note("", body)
	var raw map[string]any
	if err := body.Decode(&raw); err != nil {
		t.Fatal(err)
	}
	opts := typ.Defaults()
	d := options.Decoder{Place: func(path string) (key, value options.Pos) { return at[path][0], at[path][1] }}
	d.Decode("", raw, opts, &struct {
		Type    string `koanf:"type"`
		OnError string `koanf:"on_error"`
	}{})
	if len(d.Problems) > 0 {
		d.Problems.Sort()
		return impl, d.Problems
	}
	impl, err = typ.Build(opts, env)
	var oe *plugin.OptionError
	if errors.As(err, &oe) {
		return impl, options.Problem{Pos: at[oe.Option][1], Path: oe.Option, Text: oe.Err.Error()}
	}
	return impl, err
}

// positions is where keys and their values stand, by path.
type positions map[string][2]options.Pos

func (p positions) note(path string, n *yaml.Node) {
	pos := func(n *yaml.Node) options.Pos { return options.Pos{File: "options", Line: n.Line, Col: n.Column} }
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			at := options.Join(path, n.Content[i].Value)
			p[at] = [2]options.Pos{pos(n.Content[i]), pos(n.Content[i+1])}
			p.note(at, n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			p[at] = [2]options.Pos{pos(item), pos(item)}
			p.note(at, item)
		}
	}
}
