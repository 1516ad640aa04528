package plugintest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// planted is a plugin with one fault, and the rule that has to find the fault.
type planted struct {
	name, rule string
	rules      func(t testing.TB) []rule
	races      bool // the fault is a data race, too: it is searched for in a child process
}

// withRace marks a fault that is a data race, too.
func withRace(p planted) planted {
	p.races = true
	return p
}

// shortTimeouts returns settings that find a fault quickly.
func shortTimeouts(t testing.TB, readme string) settings {
	s := settings{arrivalTimeout: 2 * time.Second, returnTimeout: 1500 * time.Millisecond, readme: filepath.Join(t.TempDir(), "README.md")}
	if err := os.WriteFile(s.readme, []byte(readme), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// readmeOf returns a README.md with the options of a type.
func readmeOf[T any](typ plugin.Type[T]) string {
	if len(options.Lint(typ.Defaults())) > 0 {
		return ""
	}
	return "# A plugin\n\n" + options.Markdown(options.Rows(typ.Defaults())) + exampleText
}

const exampleText = "\n```yaml\ntransforms:\n  up: {type: upper}\n```\n\n```json\n{\"a\":\"b\"}\n```\n\n```json\n{\"A\":\"B\"}\n```\n"

// TestSuiteFindsPlantedFaults checks that the suite finds each planted fault, under the rule that it violates.
func TestSuiteFindsPlantedFaults(t *testing.T) {
	all := slices.Concat(typeFaults(), buildFaults(), sinkFaults(), sinkFailureFaults(), operatorFaults(), sourceFaults(), sourceAckFaults(), requestFaults(), transformFaults(), prepareFaults(), batchFaults(), closeFaults())
	if len(all) < 250 {
		t.Errorf("only %d faults are planted", len(all))
	}
	seen := map[string]bool{}
	for _, p := range all {
		if seen[p.name] {
			t.Errorf("%s is planted twice", p.name)
		}
		seen[p.name] = true
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			rules := p.rules(t)
			if !slices.ContainsFunc(rules, func(r rule) bool { return r.name == p.rule }) {
				t.Fatalf("there is no rule %q", p.rule)
			}
			finds := func(found []finding) bool {
				return slices.ContainsFunc(found, func(f finding) bool { return f.Rule == p.rule || p.races && f.Rule == ruleRace })
			}
			var found []finding
			if p.races {
				found = runInChild(t, rulesNamed(rules, p.rule))
			} else {
				found = findFault(t, slices.Concat(rulesNamed(rules, p.rule), rules), finds)
			}
			if !finds(found) {
				t.Errorf("the rule %q does not find the fault, found %q", p.rule, found)
			}
			for _, f := range found {
				if strings.Contains(f.Text, "\n") || strings.Contains(f.Text, "outside the plugin") {
					t.Errorf("%s: %s", f.Rule, f.Text)
				}
			}
		})
	}
}

// findFault runs rules until found accepts the findings. It returns the findings.
func findFault(t testing.TB, rules []rule, finds func([]finding) bool) []finding {
	s := &suite{t: t, settings: shortTimeouts(t, readmeOf(sinkType(sinkHooks{})))}
	for _, r := range rules {
		if s.run(r); finds(s.allFindings()) {
			break
		}
	}
	return s.allFindings()
}

// rulesNamed returns the rules with a name.
func rulesNamed(rules []rule, name string) (out []rule) {
	for _, r := range rules {
		if r.name == name {
			out = append(out, r)
		}
	}
	return out
}

// TestSuiteAcceptsFaultlessPlugins checks that the suite finds nothing in plugins without faults.
func TestSuiteAcceptsFaultlessPlugins(t *testing.T) {
	for name, rules := range map[string]func(testing.TB) []rule{
		"sink": faultlessSink, "source": faultlessSource, "source that replays": faultlessReplayingSource, "transform": faultlessTransform, "batch transform": faultlessBatchTransform,
		"stateful transform": faultlessStatefulTransform, "source of requests": faultlessRequestSource, "preparing transform": preparingRules(""),
	} {
		t.Run(name, func(t *testing.T) {
			set := defaultSettings()
			set.readme = shortTimeouts(t, readmeFor(name)).readme
			set.ownProcess = true
			out := runInProcess(t, rules(t), set)
			for _, f := range out.findings {
				t.Errorf("%s: %s", f.Rule, f.Text)
			}
			for rule, why := range out.skipped {
				t.Logf("skipped: %s: %s", rule, why)
			}
		})
	}
}

func readmeFor(name string) string {
	switch {
	case name == "batch transform":
		return strings.Replace(readmeOf(joinType(nil)), exampleText, exampleBatch, 1)
	case strings.Contains(name, "transform"):
		return readmeOf(upperType(upperHooks{}))
	case name == "source of requests":
		return readmeOf(requestType(requestHooks{}))
	case strings.Contains(name, "source"):
		return readmeOf(lineType(lineHooks{}))
	}
	return readmeOf(sinkType(sinkHooks{}))
}
