package plugintest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

const (
	ruleProcess = "the plugin never ends the process: its goroutines are started by plugin.Go or Env.Go, and it calls no os.Exit"
	ruleRace    = "there is no data race"
)

const (
	// inProcess is the variable that runs the suite in the process of the test, for a debugger or coverage.
	inProcess = "PLUGINTEST_IN_PROCESS"
)

// message is one line from the child process.
type message struct {
	Begin   *int     `json:"begin,omitempty"`
	Skipped string   `json:"skipped,omitempty"`
	Finding *finding `json:"finding,omitempty"`
	Done    bool     `json:"done,omitempty"`
}

// runSuite runs rules in a child process, so that the plugin cannot end or block the test, and reports
// the findings.
func runSuite(t *testing.T, rules []rule) {
	t.Helper()
	call := callNumber(t)
	switch {
	case os.Getenv(childTest) != "":
		if os.Getenv(childTest) != t.Name() || os.Getenv(childCall) != strconv.Itoa(call) {
			return
		}
		runChild(t, rules)
		t.SkipNow()
	case os.Getenv(inProcess) != "":
		report(t, rules, runInProcess(t, rules, defaultSettings()))
	default:
		report(t, rules, runInChildren(t, rules, call))
	}
}

// calls counts the suites of each test.
var calls sync.Map

func callNumber(t *testing.T) int {
	n, counted := calls.LoadOrStore(t, new(int))
	if !counted {
		t.Cleanup(func() { calls.Delete(t) })
	}
	*n.(*int)++
	return *n.(*int)
}

// runInProcess runs rules in this process.
func runInProcess(t testing.TB, rules []rule, set settings) suiteResult {
	s := &suite{t: t, settings: set}
	out := suiteResult{skipped: map[string]string{}}
	for _, r := range rules {
		if why := s.run(r); why != "" {
			out.skipped[r.name] = why
		}
	}
	out.findings = s.allFindings()
	return out
}

// suiteResult is the result of rules: their findings, and why a rule was skipped, by its name.
type suiteResult struct {
	findings []finding
	skipped  map[string]string
}

// maxFindingsShown is how many findings of one rule a report lists.
const maxFindingsShown = 3

// report runs a subtest for each rule, which fails with the findings of the rule.
func report(t *testing.T, rules []rule, out suiteResult) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range rules {
		if seen[r.name] {
			continue
		}
		seen[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			n := 0
			for _, f := range out.findings {
				if f.Rule != r.name {
					continue
				}
				if n++; n <= maxFindingsShown {
					t.Errorf("%s: %s", f.Rule, f.Text)
				}
			}
			if n > maxFindingsShown {
				t.Errorf("%s: and %d more", r.name, n-maxFindingsShown)
			}
			if why := out.skipped[r.name]; why != "" && !t.Failed() {
				t.Skip(why)
			}
		})
	}
	for _, f := range out.findings {
		if !seen[f.Rule] {
			t.Errorf("%s: %s", f.Rule, f.Text)
		}
	}
}

// maxCrashes is how many child processes may end early.
const maxCrashes = 5

// runInChildren runs rules in a child process. If the process ends early, another one continues after
// the rule that was checked.
func runInChildren(t *testing.T, rules []rule, call int) suiteResult {
	out := suiteResult{skipped: map[string]string{}}
	from := 0
	for range maxCrashes {
		file := filepath.Join(t.TempDir(), "findings")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := spawnChild(t, file, call, from)
		last, done := out.read(rules, file, from)
		if f, ok := firstRace(text); ok {
			out.add(f)
		}
		if done {
			if err != nil && len(out.findings) == 0 {
				t.Errorf("%s: the child process ended with %v:\n%s", ruleProcess, err, tail(text))
			}
			return out
		}
		if last < 0 {
			t.Fatalf("the child process ended before the first rule (%v):\n%s", err, tail(text))
		}
		out.add(finding{ruleProcess, fmt.Sprintf("the process ended (%v) during the check of %q: %s", err, rules[last].name, crashReason(text))})
		from = last + 1
	}
	return out
}

func (o *suiteResult) add(f finding) {
	for _, known := range o.findings {
		if known == f {
			return
		}
	}
	o.findings = append(o.findings, f)
}

// read reads the findings of the child process. It returns the index of the last rule that was started,
// or -1, and whether all rules ended.
func (o *suiteResult) read(rules []rule, file string, from int) (last int, done bool) {
	last = -1
	text, _ := os.ReadFile(file)
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m message
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue
		}
		if m.Begin != nil {
			last = *m.Begin
			if m.Skipped != "" {
				o.skipped[rules[last].name] = m.Skipped
			}
		}
		if m.Finding != nil {
			o.add(*m.Finding)
		}
		done = done || m.Done
	}
	return last, done
}

// tail returns the last 4000 bytes of a text.
func tail(text string) string { return text[max(0, len(text)-4000):] }
