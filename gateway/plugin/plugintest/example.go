package plugintest

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/plugin"
)

// block is a fenced block of code in a README.
var block = regexp.MustCompile("(?ms)^```(yaml|json)\n(.*?)^```$")

// variable is one that falls back to its default.
var variable = regexp.MustCompile(`\$\{\w+:-(.*?)\}`)

// example runs what README.md shows: each YAML block with a transform, and after it
// two JSON blocks, the payloads that come in and those that go on, a line each.
func (h TransformHarness) example(c *check) {
	text, err := os.ReadFile(c.suite.readme)
	if err != nil {
		c.Fatal(err)
	}
	ran := 0
	var i *instance[plugin.Transform]
	var in []string
	for _, b := range block.FindAllStringSubmatch(string(text), -1) {
		if b[1] == "yaml" {
			i, in = h.exampleTransform(c, b[2]), nil
			continue
		}
		lines := slices.Collect(strings.Lines(b[2]))
		for i := range lines {
			lines[i] = strings.TrimSuffix(lines[i], "\n")
		}
		if i == nil || in == nil {
			in = lines
			continue
		}
		var got []string
		for _, payload := range in {
			out, err := apply(c, i, Incoming(payload))
			if err != nil {
				c.Errorf("%s: %v", payload, err)
			}
			for _, e := range out {
				got = append(got, string(e.Data))
			}
		}
		if !slices.Equal(got, lines) {
			c.Errorf("README.md says that %q becomes %q, and it becomes %q", in, lines, got)
		}
		in = nil
		ran++
	}
	if ran == 0 {
		c.Errorf("README.md shows no example: a yaml block with transforms:, and two json blocks, what comes in and what goes on")
	}
}

// exampleTransform makes the one transform of an example.
func (h TransformHarness) exampleTransform(c *check, text string) *instance[plugin.Transform] {
	text = variable.ReplaceAllString(text, "$1")
	if h.Example != nil {
		c.hook(func() { text = h.Example(text) })
	}
	var doc struct {
		Transforms map[string]yaml.Node `yaml:"transforms"`
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Transforms) != 1 {
		c.Fatalf("an example has one transform under transforms: (%v) %s", err, text)
	}
	for _, body := range doc.Transforms {
		opts, err := decode(c, h.Type, &body)
		if err != nil {
			c.Fatalf("an example: %v", err)
		}
		return build(c, h.Type, opts)
	}
	return nil
}
