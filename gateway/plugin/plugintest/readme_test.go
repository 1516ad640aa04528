package plugintest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/plugin"
)

// TestUpdateWritesOptionsTable checks that PLUGINTEST_UPDATE=1 writes the table without a README.md, without a table, and
// over an old table.
func TestUpdateWritesOptionsTable(t *testing.T) {
	const old = "# A\n\nSome words.\n\n| option | type | default | meaning |\n| --- | --- | --- | --- |\n| `gone` | text |  | x |\n\nMore words.\n"
	h := SinkHarness{Type: sinkType(sinkHooks{})}
	for name, text := range map[string]string{"none": "", "no table": "# A\n\nSome words.\n", "an old table": old} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PLUGINTEST_UPDATE", "")
			set := defaultSettings()
			set.readme = filepath.Join(t.TempDir(), "README.md")
			if text != "" {
				if err := os.WriteFile(set.readme, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			rule := rulesNamed(commonRules(subject[plugin.Sink]{typ: h.Type}), ruleReadme)
			if found := runInProcess(t, rule, set).findings; len(found) != 1 || !strings.Contains(found[0].Text, "PLUGINTEST_UPDATE=1") {
				t.Errorf("before: %q", found)
			}
			t.Setenv("PLUGINTEST_UPDATE", "1")
			_ = runInProcess(t, rule, set)
			t.Setenv("PLUGINTEST_UPDATE", "")
			if found := runInProcess(t, rule, set).findings; len(found) > 0 {
				t.Errorf("after: %q", found)
			}
			got, err := os.ReadFile(set.readme)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"`url`", "Some words.", "More words."} {
				if (want == "`url`" || strings.Contains(text, want)) && !strings.Contains(string(got), want) {
					t.Errorf("README.md lacks %q:\n%s", want, got)
				}
			}
			if strings.Contains(string(got), "gone") {
				t.Errorf("README.md has the old table:\n%s", got)
			}
		})
	}
}
