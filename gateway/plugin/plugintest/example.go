package plugintest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/plugin"
)

// block is a fenced block of code in a README.
var block = regexp.MustCompile("(?ms)^```(yaml|json)\n(.*?)^```$")

// variable is one that falls back to its default.
var variable = regexp.MustCompile(`\$\{\w+:-(.*?)\}`)

// example runs what README.md shows: each YAML block with a transform, and after it
// two JSON blocks, the payloads that come in and those that go on, a line each.
func example(t *testing.T, h TransformHarness) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	var tr plugin.Transform
	var in []string
	for _, b := range block.FindAllStringSubmatch(string(text), -1) {
		if b[1] == "yaml" {
			tr, in = exampleTransform(t, h, b[2]), nil
			continue
		}
		lines := slices.Collect(strings.Lines(b[2]))
		for i := range lines {
			lines[i] = strings.TrimSuffix(lines[i], "\n")
		}
		if tr == nil || in == nil {
			in = lines
			continue
		}
		var got []string
		for _, payload := range in {
			out, err := Apply(t.Context(), tr, Incoming(payload))
			if err != nil {
				t.Errorf("%s: %v", payload, err)
			}
			for _, e := range out {
				got = append(got, string(e.Data))
			}
		}
		if !slices.Equal(got, lines) {
			t.Errorf("README.md says that\n%s\nbecomes\n%s\nbut it becomes\n%s", strings.Join(in, "\n"), b[2], strings.Join(got, "\n"))
		}
		in = nil
		ran++
	}
	if ran == 0 {
		t.Error("README.md shows no example: a yaml block with transforms:, and two json blocks, what comes in and what goes on")
	}
}

// exampleTransform makes the one transform of an example.
func exampleTransform(t *testing.T, h TransformHarness, text string) plugin.Transform {
	text = variable.ReplaceAllString(text, "$1")
	if h.Example != nil {
		text = h.Example(text)
	}
	var doc struct {
		Transforms map[string]yaml.Node `yaml:"transforms"`
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Transforms) != 1 {
		t.Fatalf("an example has one transform under transforms: (%v)\n%s", err, text)
	}
	for _, body := range doc.Transforms {
		tr, err := fromNode(t, h.Type, &body, Env(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeTransform(t, tr) })
		return tr
	}
	return nil
}
