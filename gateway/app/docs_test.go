package app

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"eventgateway/gateway/config"
	"eventgateway/gateway/options"
	"eventgateway/gateway/router"
)

var table = regexp.MustCompile(`(?s)\| option \| type \| default \| meaning \|\n.*?(\n\n|\z)`)

// TestDocumentedTables keeps the tables in the documents true, as plugintest
// does for plugins.
func TestDocumentedTables(t *testing.T) {
	d := router.DefaultDelivery()
	for file, rows := range map[string][]options.Row{
		"../docs/delivery.md":      options.Rows(&d),
		"../docs/configuration.md": config.SettingsRows(),
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := options.Markdown(rows)
		if strings.Contains(string(text), want) {
			continue
		}
		if os.Getenv("PLUGINTEST_UPDATE") == "" {
			t.Errorf("%s has an old table (PLUGINTEST_UPDATE=1 writes it):\n%s", file, want)
			continue
		}
		fresh := table.ReplaceAllLiteralString(string(text), want+"\n")
		if err := os.WriteFile(file, []byte(strings.TrimRight(fresh, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// metricName matches what /metrics exports of our own.
var metricName = regexp.MustCompile(`(?m)^# TYPE (gateway_\w+) `)

// TestEveryMetricIsDocumented compares a running gateway with the table.
func TestEveryMetricIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	r := startGateway(t, defaultConfig, nil)
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
