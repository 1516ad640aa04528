package plugintest

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// block is a fenced block of code in a README.
var block = regexp.MustCompile("(?ms)^```(yaml|json)\n(.*?)^```$")

// variable is an environment variable with a default.
var variable = regexp.MustCompile(`\$\{\w+:-(.*?)\}`)

// checkExample runs the examples in README.md, one payload after the other.
func (h TransformHarness) checkExample(c *check) {
	runExamples(c, h.Example, func(body *yaml.Node) func(in []string) []string {
		i := exampleOf(c, h.Type, body)
		return func(in []string) (got []string) {
			for _, payload := range in {
				out, err := apply(c, i, NewEvent(payload))
				if err != nil {
					c.Errorf("%s: %v", payload, err)
				}
				got = append(got, payloads(out)...)
			}
			return got
		}
	})
}

// checkExample runs the examples in README.md, each as one window.
func (h BatchHarness) checkExample(c *check) {
	runExamples(c, h.Example, func(body *yaml.Node) func(in []string) []string {
		i := exampleOf(c, h.typ(), body)
		return func(in []string) []string {
			out, err := applyBatch(c, i, BatchCase{In: in}.window())
			if err != nil {
				c.Errorf("%q: %v", in, err)
			}
			return payloads(out)
		}
	})
}

// runExamples runs the examples in README.md. An example is a YAML block with a transform and two JSON
// blocks: the input and the output, one payload a line. use builds the transform from its options, and
// returns a function that applies it.
func runExamples(c *check, change func(options string) string, use func(body *yaml.Node) func(in []string) []string) {
	text, err := os.ReadFile(c.suite.readme)
	if err != nil {
		c.Fatal(err)
	}
	ran := 0
	var apply func(in []string) []string
	var in []string
	for _, b := range block.FindAllStringSubmatch(string(text), -1) {
		if b[1] == "yaml" {
			apply, in = use(exampleBody(c, change, b[2])), nil
			continue
		}
		lines := slices.Collect(strings.Lines(b[2]))
		for i := range lines {
			lines[i] = strings.TrimSuffix(lines[i], "\n")
		}
		if apply == nil || in == nil {
			in = lines
			continue
		}
		if got := apply(in); !slices.Equal(got, lines) {
			c.Errorf("the output for %q in README.md is %q, and the transform emits %q", in, lines, got)
		}
		in = nil
		ran++
	}
	if ran == 0 {
		c.Errorf("README.md has no example: add a yaml block with transforms:, and two json blocks, the input and the output")
	}
}

// exampleBody returns the options of the transform of an example.
func exampleBody(c *check, change func(options string) string, text string) *yaml.Node {
	text = variable.ReplaceAllString(text, "$1")
	if change != nil {
		c.callHook(func() { text = change(text) })
	}
	var doc struct {
		Transforms map[string]yaml.Node `yaml:"transforms"`
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Transforms) != 1 {
		c.Fatalf("an example needs one transform under transforms: (%v) %s", err, text)
	}
	for _, body := range doc.Transforms {
		return &body
	}
	return nil
}

// exampleOf builds the transform of an example.
func exampleOf[T any](c *check, typ plugin.Type[T], body *yaml.Node) *instance[T] {
	opts, err := decode(c, typ, body)
	if err != nil {
		c.Fatalf("an example: %v", err)
	}
	return build(c, typ, opts)
}

func payloads(events []*event.Event) (out []string) {
	for _, e := range events {
		out = append(out, string(e.Data))
	}
	return out
}
