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

// ending are faults that end the process, or that only a process of its own shows.
var ending = map[string]struct {
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
	"a file is not closed": {ruleLeft, func(s *post, ctx context.Context, e []*event.Event) error {
		openFile()
		return s.Write(ctx, e)
	}},
}

// TestMain has more tests run at a time than there are processors: most of them wait.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "24")
	os.Exit(m.Run())
}

// TestEnding runs suites in processes of their own.
func TestEnding(t *testing.T) {
	for name, fault := range ending {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := sinkRules(sinkOf(t, sinkType(sinkHooks{write: fault.write})))
			var rules []rule // the whole suite would find it as often as it has rules
			for _, r := range all {
				if r.name == ruleDelivers || r.name == ruleLeft {
					rules = append(rules, r)
				}
			}
			found := apart(t, rules)
			if !slices.ContainsFunc(found, func(f finding) bool { return f.Rule == fault.rule && !strings.Contains(f.Text, "\n") }) {
				t.Errorf("found %q", found)
			}
		})
	}
}

// apart runs rules in a process of their own.
func apart(t *testing.T, rules []rule) []finding {
	call := nth(t)
	if os.Getenv(childTest) == t.Name() {
		runChild(t, rules)
	}
	if os.Getenv(childTest) != "" {
		t.SkipNow()
	}
	return runApart(t, rules, call).findings
}
