package plugintest

import (
	"context"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// configure builds an instance with options in YAML, as in a configuration file. The error has the
// position, line:col, and the option.
func configure[T any](c *check, typ plugin.Type[T], text string) (*instance[T], error) {
	body, err := parse(text)
	if err != nil {
		c.Fatalf("%v in %s", err, text)
	}
	opts, err := decode(c, typ, body)
	if err != nil {
		return nil, err
	}
	i, err := tryBuild(c, typ, Name, opts)
	return i, locate(err, body)
}

// parse parses the options of a component.
func parse(text string) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	}
	return doc.Content[0], nil
}

// decode decodes and checks options. c may be nil.
func decode[T any](c *check, typ plugin.Type[T], body *yaml.Node) (opts any, err error) {
	at := positions{}
	at.note("", body)
	var raw map[string]any
	if err := body.Decode(&raw); err != nil {
		return nil, err
	}
	opts = typ.Defaults()
	d := options.Decoder{Locate: func(path string) (key, value options.Pos) { return at[path][0], at[path][1] }}
	read := func(context.Context) error {
		d.Decode("", raw, opts, &struct {
			Type    string `koanf:"type"`
			OnError string `koanf:"on_error"`
			Collect any    `koanf:"collect"`
		}{})
		return nil
	}
	if c == nil {
		_ = read(context.Background())
	} else if err := c.call(c.ctx, "Check", read); err != nil {
		return nil, err
	}
	if len(d.Problems) > 0 {
		d.Problems.Sort()
		return nil, d.Problems
	}
	return opts, nil
}

// locate adds the position of the option to a [plugin.OptionError].
func locate(err error, body *yaml.Node) error {
	var oe *plugin.OptionError
	if errors.As(err, &oe) {
		at := positions{}
		at.note("", body)
		return options.Problem{Pos: at[oe.Option][1], Path: oe.Option, Text: oe.Err.Error()}
	}
	return err
}

// positions has the positions of a key and its value, by path.
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
