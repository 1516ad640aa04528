package config

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/options"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 2 << 20

// maxValues bounds the values of a file, each counted as often as aliases and <<
// insert it, and the keys that << visits.
const maxValues = 100_000

// maxText bounds, in bytes, the paths of all values and the text of expanded variables.
const maxText = 16 << 20

// maxDepth bounds nesting.
const maxDepth = 50

// parser turns the nodes of one file into plain values.
type parser struct {
	file      string
	env       Env
	locations locations
	problems  options.Problems
	values    int                 // counted so far, see maxValues
	text      int                 // bytes counted so far, see maxText
	exceeded  bool                // a bound was exceeded: the rest is ignored
	aliases   bool                // the file has an alias
	open      map[*yaml.Node]bool // anchors around the current node, to detect cycles
}

// spend counts values and bytes of text, and reports whether they are within the
// bounds. It reports a problem the first time that they are not.
func (p *parser) spend(n *yaml.Node, values, text int) bool {
	if p.exceeded {
		return false
	}
	p.values += values
	p.text += text
	why := ""
	switch {
	case p.values > maxValues && p.aliases:
		why = fmt.Sprintf("aliases expand the file to more than %d values", maxValues)
	case p.values > maxValues:
		why = fmt.Sprintf("the file has more than %d values: leave some out", maxValues)
	case p.text > maxText:
		why = fmt.Sprintf("keys, aliases and variables blow the file up to more than %d MiB: make them shorter, or leave some out", maxText>>20)
	default:
		return true
	}
	p.problems = nil // it must not be hidden among thousands of others
	p.report(n, "", "%s", why)
	p.exceeded = true
	return false
}

// parse returns the mapping in a file; nil where there is none, which it reports as a
// problem.
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
	p.locations[""] = location{key: p.pos(root), value: p.pos(root)}
	m, _ := p.value("", root).(map[string]any)
	if p.exceeded {
		return nil
	}
	return m
}

// report adds a problem, unless a bound was exceeded.
func (p *parser) report(n *yaml.Node, path, format string, args ...any) {
	if p.exceeded {
		return
	}
	p.problems = append(p.problems, options.Problem{Pos: p.pos(n), Path: path, Text: fmt.Sprintf(format, args...)})
}

func (p *parser) pos(n *yaml.Node) options.Pos {
	return options.Pos{File: p.file, Line: n.Line, Col: n.Column}
}

// value converts a node, and records its location.
func (p *parser) value(path string, n *yaml.Node) any {
	if len(p.open) > maxDepth {
		p.report(n, "", "is nested more than %d deep", maxDepth)
		return options.Invalid{}
	}
	if !p.spend(n, 1, len(path)) {
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		p.aliases = true
		if p.open[n.Alias] {
			p.report(n, path, "the alias *%s contains itself", n.Value)
			return options.Invalid{}
		}
		at := p.locations[path]
		v := p.value(path, n.Alias)
		at.variables, at.values = p.locations[path].variables, p.locations[path].values
		p.locations[path] = at
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
			if p.exceeded {
				break
			}
			at := fmt.Sprintf("%s[%d]", path, i)
			p.locations[at] = location{key: p.pos(item), value: p.pos(item)}
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
			continue
		}
		if key.Kind != yaml.ScalarNode {
			p.report(key, path, "a key must be text; put the value in quotes if { or [ is meant as text")
			return options.Invalid{}
		}
		if !p.spend(key, 0, len(path)) {
			return m
		}
		at := options.Join(path, key.Value)
		if _, twice := m[key.Value]; twice {
			if p.spend(key, 1, 0) {
				p.report(key, at, "is a duplicate key; the first one is in line %d", p.locations[at].key.Line)
			}
			continue
		}
		p.locations[at] = location{key: p.pos(key), value: p.pos(value)}
		m[key.Value] = p.value(at, value)
	}
	p.merges(path, n, m)
	return m
}

// merges adds the keys of the << of a mapping to m, which has the mapping's own keys:
// these take precedence.
func (p *parser) merges(path string, n *yaml.Node, m map[string]any) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].ShortTag() == "!!merge" {
			p.merge(path, n.Content[i+1], m)
		}
	}
}

// merge adds the keys of `<<: *anchor` or `<<: [*a, *b]` to m; keys of m take precedence.
func (p *parser) merge(path string, n *yaml.Node, m map[string]any) {
	p.aliases = true
	if !p.spend(n, 1, 0) {
		return
	}
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			if p.exceeded {
				return
			}
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
		if !p.spend(key, 1, len(path)) {
			return
		}
		if key.ShortTag() == "!!merge" || key.Kind != yaml.ScalarNode { // a key that is not text is reported at the anchor
			continue
		}
		if _, own := m[key.Value]; own {
			continue
		}
		at := options.Join(path, key.Value)
		p.locations[at] = location{key: p.pos(key), value: p.pos(value)}
		m[key.Value] = p.value(at, value)
	}
	p.merges(path, source, m) // a chain
}

func (p *parser) scalar(path string, n *yaml.Node) any {
	tag := n.ShortTag()
	switch tag {
	case "!!str", "!!timestamp", "!!binary":
		at := p.locations[path]
		at.text, at.variables, at.values = n.Value, nil, nil
		env := p.env
		env.onLookup = func(name, value string) {
			at.variables, at.values = append(at.variables, name), append(at.values, value)
		}
		v, made, err := expand(n.Value, env, maxText-p.text)
		p.locations[path] = at
		if err == errTooLong {
			p.spend(n, 0, maxText)
			return options.Invalid{}
		}
		p.spend(n, 0, made)
		if err != nil {
			p.report(n, path, "%v", err)
			return options.Invalid{}
		}
		return v
	case "!!null":
		return nil
	case "!!int", "!!float", "!!bool":
		var v any
		if err := n.Decode(&v); err != nil { // the error quotes the value
			p.report(n, path, "is not what its YAML tag says; put the value in quotes")
			return options.Invalid{}
		}
		return v
	}
	// Its name is not quoted: it may be the beginning of a password.
	p.report(n, path, "what begins with ! is a YAML tag, not a part of the value; put the value in quotes")
	return options.Invalid{}
}
