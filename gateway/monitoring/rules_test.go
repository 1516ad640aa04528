package monitoring

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// ruleFile is a file of rules of Prometheus.
type ruleFile struct {
	Groups []struct {
		Name  string  `yaml:"name"`
		Rules []*rule `yaml:"rules"`
	} `yaml:"groups"`
}

// rule is a recording or alerting rule.
type rule struct {
	Alert       string            `yaml:"alert,omitempty"`
	Record      string            `yaml:"record,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// ruleFiles are the files of rules in configs/prometheus.
var ruleFiles = []string{"alerts.yml", "objectives.yml"}

func readRules(t *testing.T, name string) (file ruleFile) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(read(t, configs+name)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file
}

// allRules returns the rules of all files.
func allRules(t *testing.T) (rules []*rule) {
	t.Helper()
	for _, name := range ruleFiles {
		for _, group := range readRules(t, name).Groups {
			rules = append(rules, group.Rules...)
		}
	}
	if len(rules) < 40 {
		t.Fatalf("only %d rules", len(rules))
	}
	return rules
}

// TestPrometheusAcceptsFiles proves that promtool finds no fault in the configurations and the rules.
func TestPrometheusAcceptsFiles(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", configs+"alerts.yml", configs+"objectives.yml")
	files, err := filepath.Glob(configs + "prometheus*.yml")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		promtool(t, "check", "config", "--syntax-only", file) // the certificates are not here
	}
}

// TestRulesPassTheirTests runs the tests of the rules by promtool.
func TestRulesPassTheirTests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(configs + "tests/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	promtool(t, append([]string{"test", "rules"}, files...)...)
}

// alertCase is one expectation of a test of promtool.
type alertCase struct {
	Alertname string `yaml:"alertname"`
	ExpAlerts []any  `yaml:"exp_alerts"`
}

// TestEveryAlertHasCases proves that the tests of the rules have a case in which each alert fires, and then one in which it does not.
func TestEveryAlertHasCases(t *testing.T) {
	fires, clears := map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob(configs + "tests/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		var file struct {
			Tests []struct {
				Cases []alertCase `yaml:"alert_rule_test"`
			} `yaml:"tests"`
		}
		if err := yaml.Unmarshal([]byte(read(t, name)), &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, test := range file.Tests {
			fired := map[string]bool{}
			for _, c := range test.Cases {
				if len(c.ExpAlerts) > 0 {
					fired[c.Alertname], fires[c.Alertname] = true, true
				} else if fired[c.Alertname] {
					clears[c.Alertname] = true
				}
			}
		}
	}
	for _, r := range allRules(t) {
		if r.Alert != "" && (!fires[r.Alert] || !clears[r.Alert]) {
			t.Errorf("%s: fires %v, then clears %v; add a case to configs/prometheus/tests", r.Alert, fires[r.Alert], clears[r.Alert])
		}
	}
}

// TestAlertsAreDocumented proves that each alert has a severity, texts, and a paragraph in operations.md to which its
// runbook_url leads; and that its paragraph and its expression name existing metrics only.
func TestAlertsAreDocumented(t *testing.T) {
	_, alerts, found := strings.Cut(read(t, "../docs/operations.md"), "\n## Alerts\n")
	if !found {
		t.Fatal("operations.md has no section Alerts")
	}
	table := readMetrics(t)
	paragraphs := map[string]string{}
	for _, section := range strings.Split(alerts, "\n### ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		paragraphs[name] = strings.TrimSpace(text)
	}
	for _, r := range allRules(t) {
		if _, unknown := table.in(r.Expr); len(unknown) > 0 {
			t.Errorf("%s%s reads %v, which metrics.md does not have", r.Alert, r.Record, unknown)
		}
		if r.Alert == "" {
			continue
		}
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %q", r.Alert, s)
		}
		for _, text := range []string{"summary", "description"} {
			if len(r.Annotations[text]) < 15 {
				t.Errorf("%s has the %s %q", r.Alert, text, r.Annotations[text])
			}
		}
		if want := "gateway/docs/operations.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s has the runbook_url %s, want %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if len(paragraphs[r.Alert]) < 80 {
			t.Errorf("operations.md has no paragraph %s", r.Alert)
		}
		delete(paragraphs, r.Alert)
	}
	for name := range paragraphs {
		t.Errorf("operations.md has a paragraph %s, which is no alert", name)
	}
	if _, unknown := table.in(alerts); len(unknown) > 0 {
		t.Errorf("the runbooks name %v, which metrics.md does not have", unknown)
	}
}

// TestObjectivesAreTheSameForAllWindows proves that the recording rules of an objective differ in their window only, and that
// the alerts read no window that is not recorded.
func TestObjectivesAreTheSameForAllWindows(t *testing.T) {
	window := regexp.MustCompile(`:ratio_rate(\w+)`)
	var windows = map[string][]string{} // by name
	first := map[string]string{}
	var alerts []string
	for _, r := range allRules(t) {
		m := window.FindStringSubmatch(r.Record)
		if m == nil {
			alerts = append(alerts, r.Expr)
			continue
		}
		name, expr := strings.TrimSuffix(r.Record, m[1]), strings.ReplaceAll(r.Expr, "["+m[1]+"]", "[WINDOW]")
		windows[name] = append(windows[name], m[1])
		if first[name] == "" {
			first[name] = expr
		}
		if expr != first[name] {
			t.Errorf("%s is\n%s, want\n%s", r.Record, expr, first[name])
		}
	}
	for name, of := range windows {
		if got := fmt.Sprint(of); got != "[5m 30m 1h 2h 6h 1d 3d]" {
			t.Errorf("%s has the windows %s", name, got)
		}
	}
	used := regexp.MustCompile(`(gateway:\w+:ratio_rate)(\w+)`).FindAllStringSubmatch(strings.Join(alerts, " "), -1)
	if len(used) < 16 {
		t.Errorf("the alerts read %d windows", len(used))
	}
	for _, u := range used {
		if !slices.Contains(windows[u[1]], u[2]) {
			t.Errorf("%s is not recorded", u[0])
		}
	}
}

func decodeYAML(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

func encodeYAML(t *testing.T, path string, value any) {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text))
}
