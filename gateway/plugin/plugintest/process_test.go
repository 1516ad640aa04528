package plugintest

import (
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"eventgateway/gateway/event"
)

// processFaults are faults that end the process, or that only a child process finds.
var processFaults = map[string]struct {
	rule  string
	write func(*post, context.Context, []*event.Event) error
}{
	"a goroutine panics": {ruleProcess, func(s *post, ctx context.Context, e []*event.Event) error {
		go func() { panic("planted") }()
		return s.Write(ctx, e)
	}},
	"it writes a map from two goroutines": {ruleProcess, func(s *post, ctx context.Context, e []*event.Event) error {
		m := map[int]int{}
		for range 2 {
			go func() {
				for ctx.Err() == nil {
					m[len(m)]++
				}
			}()
		}
		<-ctx.Done()
		return ctx.Err()
	}},
	"it exits":             {ruleProcess, func(*post, context.Context, []*event.Event) error { os.Exit(1); return nil }},
	"it exits with code 0": {rulePanics, func(*post, context.Context, []*event.Event) error { os.Exit(0); return nil }},
	"a file is not closed": {ruleLeaks, func(s *post, ctx context.Context, e []*event.Event) error {
		openFile()
		return s.Write(ctx, e)
	}},
}

// TestMain runs more parallel tests than there are processors, because most of them wait.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "24")
	os.Exit(m.Run())
}

// TestSuiteFindsFaultsOfProcesses checks that the suite finds faults that end the child process, and leaked files.
func TestSuiteFindsFaultsOfProcesses(t *testing.T) {
	for name, fault := range processFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := sinkRules(sinkHarness(t, sinkType(sinkHooks{write: fault.write})))
			var rules []rule // the fault ends the process in each rule that writes
			for _, r := range all {
				if r.name == ruleDelivers || r.name == ruleLeaks {
					rules = append(rules, r)
				}
			}
			found := runInChild(t, rules)
			if !slices.ContainsFunc(found, func(f finding) bool { return f.Rule == fault.rule && !strings.Contains(f.Text, "\n") }) {
				t.Errorf("found %q", found)
			}
		})
	}
}

// runInChild runs rules in child processes.
func runInChild(t *testing.T, rules []rule) []finding {
	call := callNumber(t)
	if os.Getenv(childTest) == t.Name() {
		runChild(t, rules)
	}
	if os.Getenv(childTest) != "" {
		t.SkipNow()
	}
	return runInChildren(t, rules, call).findings
}
