package config

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/options"
)

// maxNodes bounds what aliases may blow a file up to.
const maxNodes = 100_000

// maxDepth bounds nesting.
const maxDepth = 50

// parser turns the nodes of one file into plain values.
type parser struct {
	file     string
	env      Env
	places   places
	problems options.Problems
	nodes    int
	open     map[*yaml.Node]bool // anchors on the way down, to see cycles
}

// parse returns the mapping that a file holds; nil where it holds none, which
// is a problem noted.
func (p *parser) parse(text []byte) map[string]any {
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			p.report(&yaml.Node{Line: 1, Column: 1}, "", "the file is empty")
			return nil
		}
		p.syntax(string(text), err)
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		p.report(&second, "", "a second document begins here; a file holds one")
	} else if !errors.Is(err, io.EOF) {
		p.syntax(string(text), err)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		p.report(root, "", "must be a mapping with http, sources, transforms, sinks and routes")
		return nil
	}
	p.places[""] = place{key: p.pos(root), value: p.pos(root)}
	m, _ := p.value("", root).(map[string]any)
	if p.nodes > maxNodes {
		return nil
	}
	return m
}

func (p *parser) report(n *yaml.Node, path, format string, args ...any) {
	p.problems = append(p.problems, options.Problem{Pos: p.pos(n), Path: path, Text: fmt.Sprintf(format, args...)})
}

func (p *parser) pos(n *yaml.Node) options.Pos {
	return options.Pos{File: p.file, Line: n.Line, Col: n.Column}
}

// value converts a node, and notes where it stands.
func (p *parser) value(path string, n *yaml.Node) any {
	if len(p.open) > maxDepth {
		p.report(n, "", "is nested more than %d deep", maxDepth)
		return options.Invalid{}
	}
	if p.nodes++; p.nodes > maxNodes {
		if p.nodes == maxNodes+1 {
			p.report(n, "", "aliases blow the file up to more than %d values", maxNodes)
		}
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		if p.open[n.Alias] {
			p.report(n, path, "the alias *%s contains itself", n.Value)
			return options.Invalid{}
		}
		at := p.places[path]
		v := p.value(path, n.Alias)
		at.values = p.places[path].values
		p.places[path] = at
		return v
	case yaml.MappingNode, yaml.SequenceNode:
		if !strings.HasPrefix(n.ShortTag(), "!!") {
			p.report(n, path, "what begins with ! is a YAML tag; put the value in quotes if it is meant as text")
			return options.Invalid{}
		}
		p.open[n] = true
		defer delete(p.open, n)
		if n.Kind == yaml.MappingNode {
			return p.mapping(path, n)
		}
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			p.places[at] = place{key: p.pos(item), value: p.pos(item)}
			list[i] = p.value(at, item)
		}
		return list
	}
	return p.scalar(path, n)
}

func (p *parser) mapping(path string, n *yaml.Node) any {
	m := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			p.merge(path, value, m)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			p.report(key, path, "a key must be text; put the value in quotes if { or [ is meant as text")
			return options.Invalid{}
		}
		at := options.Join(path, key.Value)
		if old, ok := p.places[at]; ok && old.key.File == p.file && !old.merged {
			p.report(key, at, "stands here a second time; the first is in line %d", old.key.Line)
			continue
		}
		p.forget(at)
		p.places[at] = place{key: p.pos(key), value: p.pos(value)}
		m[key.Value] = p.value(at, value)
	}
	return m
}

// forget removes what << has brought below a key that the mapping has itself.
func (p *parser) forget(at string) {
	if !p.places[at].merged {
		return
	}
	for path := range p.places {
		if strings.HasPrefix(path, at+".") || strings.HasPrefix(path, at+"[") {
			delete(p.places, path)
		}
	}
}

// merge adds what `<<: *anchor` or `<<: [*a, *b]` brings; keys that stand in
// the mapping itself win.
func (p *parser) merge(path string, n *yaml.Node, m map[string]any) {
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			p.merge(path, item, m)
		}
		return
	}
	source := n
	if n.Kind == yaml.AliasNode {
		source = n.Alias
	}
	if source.Kind != yaml.MappingNode || p.open[source] {
		p.report(n, path, "<< takes an alias of a mapping, such as *defaults")
		return
	}
	p.open[source] = true
	defer delete(p.open, source)
	for i := 0; i+1 < len(source.Content); i += 2 {
		key, value := source.Content[i], source.Content[i+1]
		if key.ShortTag() == "!!merge" { // a chain
			p.merge(path, value, m)
			continue
		}
		at := options.Join(path, key.Value)
		if _, own := m[key.Value]; own {
			continue
		}
		p.places[at] = place{key: p.pos(key), value: p.pos(value), merged: true}
		m[key.Value] = p.value(at, value)
	}
}

func (p *parser) scalar(path string, n *yaml.Node) any {
	tag := n.ShortTag()
	switch tag {
	case "!!str", "!!timestamp", "!!binary":
		at := p.places[path]
		at.text, at.values = n.Value, nil
		env := p.env
		env.heard = func(value string) { at.values = append(at.values, value) }
		v, err := expand(n.Value, env)
		p.places[path] = at
		if err != nil {
			p.report(n, path, "%v", err)
			return options.Invalid{}
		}
		return v
	case "!!null":
		return nil
	case "!!int", "!!float", "!!bool":
		var v any
		if err := n.Decode(&v); err != nil { // it repeats the value
			p.report(n, path, "is not what its YAML tag says; put the value in quotes")
			return options.Invalid{}
		}
		return v
	}
	// Its name does not show: it may be how a password begins.
	p.report(n, path, "what begins with ! is a YAML tag, not a part of the value; put the value in quotes")
	return options.Invalid{}
}
