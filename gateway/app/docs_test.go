package app

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
)

var table = regexp.MustCompile(`(?m)^\| option \| type \| default \| meaning \|\n(\|.*\n)+`)

// TestDocumentedTables proves that the option tables in the documents are those of the code, as
// plugintest does for plugins.
func TestDocumentedTables(t *testing.T) {
	d, f, c := delivery.DefaultOptions(), router.DefaultFailure(), router.DefaultCollect()
	for file, tables := range map[string][][]options.Row{
		"../docs/delivery.md":      {options.Rows(&d)},
		"../docs/configuration.md": {config.SettingsRows(), options.Rows(&router.Capture{}), options.Rows(&f), options.Rows(&c), config.RouteRows(), config.TestRows(), config.ClientRows()},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		updated := table.ReplaceAllStringFunc(string(text), func(old string) string {
			n++
			return options.Markdown(tables[min(n, len(tables))-1])
		})
		if n != len(tables) {
			t.Errorf("%s has %d tables, want %d", file, n, len(tables))
			continue
		}
		if updated == string(text) {
			continue
		}
		if os.Getenv("PLUGINTEST_UPDATE") == "" {
			t.Errorf("%s has an old table (PLUGINTEST_UPDATE=1 writes it):\n%s", file, updated)
			continue
		}
		if err := os.WriteFile(file, []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDocumentedRights proves that the rights in the READMEs of plugins are those that plugins --acl prints.
func TestDocumentedRights(t *testing.T) {
	found := 0
	for _, p := range typesOf(plugins()) {
		if len(p.Rights()) == 0 {
			continue
		}
		var rights strings.Builder
		if err := printRights(&rights, p); err != nil {
			t.Fatal(err)
		}
		found++
		file := fmt.Sprintf("../../%ss/%s/README.md", p.Kind(), strings.ReplaceAll(p.Name(), "-", ""))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		block := regexp.MustCompile("(?s)```\n# What the user .*?```\n")
		want := "```\n" + rights.String() + "```\n"
		switch old := block.Find(text); {
		case old == nil:
			t.Errorf("%s has no rights:\n%s", file, want)
		case string(old) != want && os.Getenv("PLUGINTEST_UPDATE") == "":
			t.Errorf("%s has old rights (PLUGINTEST_UPDATE=1 writes them):\n%s", file, want)
		case string(old) != want:
			if err := os.WriteFile(file, bytes.Replace(text, old, []byte(want), 1), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d plugins have rights", found)
	}
}

// metricName matches the metrics of the gateway in /metrics.
var metricName = regexp.MustCompile(`(?m)^# TYPE (gateway_\w+) `)

// TestEveryMetricIsDocumented proves that metrics.md has all metrics of a running gateway.
func TestEveryMetricIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	r := startLeading(t, nil)
	c := r.connect()
	c.Close()
	found := metricName.FindAllStringSubmatch(r.metrics(), -1)
	if len(found) < 20 {
		t.Errorf("only %d metrics", len(found))
	}
	for _, m := range found {
		if !strings.Contains(string(text), "| `"+m[1]+"` |") {
			t.Errorf("%s is not in gateway/docs/metrics.md", m[1])
		}
	}
}
