package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
)

const (
	oneSource = "sources: {in: {type: redis-sub, url: \"redis://b\", channels: [c]}}\n"
	oneRoute  = oneSource + "sinks: {out: {type: stdout}}\nroutes: {r: {from: [in], to: [out]}}\n"
)

// lines repeats a line n times; %[1]d in it is the number.
func lines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+"\n", i)
	}
	return b.String()
}

// merged returns a chain of mappings, each of which merges the one before width times.
func merged(length, width int) string {
	var b strings.Builder
	b.WriteString("x-0: &a0 {k: v}\n")
	for i := 1; i < length; i++ {
		before := fmt.Sprintf("*a%d, ", i-1)
		fmt.Fprintf(&b, "x-%d: &a%d\n  <<: [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(before, width), ", "))
	}
	return b.String() + oneRoute
}

// TestCostlyFiles proves that small files that could cost minutes or gigabytes are refused, or their problems
// reported, at once. Without the bounds they took minutes, so ten seconds are enough also for a busy
// machine.
func TestCostlyFiles(t *testing.T) {
	sinks := func(n int, format string) string { return oneSource + "sinks:\n" + lines(n, format) }
	for name, tc := range map[string]struct{ text, want string }{
		"<< twice each":               {merged(40, 2), "file.yaml:3:7: aliases expand the file to more than 100000 values"},
		"<< nine times each":          {merged(15, 9), ": aliases expand the file to more than 100000 values"},
		"<< of many keys":             {"x-a: &a\n" + lines(3000, "  k%d: v") + "x-b:\n  <<: [" + strings.Repeat("*a, ", 3000) + "*a]\n" + oneRoute, "aliases expand the file"},
		"<< under many own keys":      {"x-a: &a\n" + lines(8000, "  k%d: {a: 1}") + "x-b:\n  <<: *a\n" + lines(8000, "  k%d: {a: 1}") + oneRoute, ""},
		"aliases of a long text":      {"x-a: &a \"" + strings.Repeat("b", 1_000_000) + "${A:-x}\"\nx-b: [" + strings.Repeat("*a, ", 20_000) + "*a]\n" + oneRoute, "file.yaml:1:6: keys, aliases and variables blow the file up to more than 16 MiB"},
		"a long key over many values": {"x-y:\n  ? \"" + strings.Repeat("k", 1_000_000) + "\"\n  : [" + strings.Repeat("1, ", 20_000) + "1]\n" + oneRoute, "blow the file up to more than 16 MiB"},
		"too many values":             {"x-a:\n" + lines(100_001, "- a%d") + oneRoute, ":3: the file has more than 100000 values"},
		"a key again and again":       {"x-a:\n" + lines(101_000, "  a: %d") + oneRoute, "the file has more than 100000 values"},
		"broken far below":            {"x-a:\n" + lines(20_000, "  k%d: v") + " bad: x\n" + oneRoute, "file.yaml:20002:1: is not YAML: did not find expected key"},
		"broken below a long line":    {strings.Repeat(" ", 2_000_000) + "x: {\n" + oneRoute, "is not YAML"},
		"nested deep":                 {"x-a: " + strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999) + "\n" + oneRoute, "is nested more than 50 deep"},
		"nested deeper":               {"x-a: " + strings.Repeat("[", 100_000) + "\n" + oneRoute, "exceeded max depth"},
		"variables in variables":      {"x-a: \"" + strings.Repeat("${A:-", 100_000) + strings.Repeat("}", 100_000) + "\"\n" + oneRoute, "cannot stand within another"},
		"unknown options":             {lines(3000, "key_%d: 1") + oneRoute, "\nand 2950 more"},
		"unknown names":               {sinks(3000, "  out_%d: {type: stdout}") + "routes:\n" + lines(3000, "  r%[1]d: {from: [im], to: [uot_%[1]d]}"), `unknown sink "uot_0" (did you mean "out_0"?)`},
		"a cycle of many sinks":       {sinks(3000, "  o%[1]d: {type: stdout, dead_letter: o%[1]d_}") + lines(3000, "  o%[1]d_: {type: stdout, dead_letter: o0}") + "routes: {r: {from: [in], to: [o0]}}\n", "a cycle: o0 -> o0_ -> o0"},
		"a long chain of sinks":       {chain(4000), ""},
		"a large cycle of sinks":      {strings.Replace(chain(3000), "  o3000: {type: stdout}", "  o3000: {type: stdout, dead_letter: o0}", 1), "a cycle: o0 -> ... (o0, o1, o2, o3, o4, o5, o6, o7, o8, o9 and others) -> o0"},
		"many routes with else":       {oneSource + "sinks: {out: {type: stdout}}\nroutes:\n" + lines(3000, "  r%d: {from: [in], to: [out], else: true}") + lines(3000, "  q%d: {from: [in], to: [out]}"), "the route q0 has no when, so else never matches for in"},
		"one name many times":         {oneSource + "sinks: {out: {type: stdout}}\nroutes: {r: {from: [in], to: [" + strings.Repeat("out, ", 10_000) + "out]}}\n", "\nand 9950 more"},
		"many paths": {"sources:\n" + lines(3000, "  s%d: {type: generate}") + "sinks:\n" + lines(3000, "  o%d: {type: stdout}") + "routes:\n  r:\n    from:\n" + lines(3000, "    - s%d") + "    to:\n" + lines(3000, "    - o%d"),
			"lead on 9000000 paths from a source through a transform or to a sink, more than 100000"},
		"a long value": {strings.Replace(oneRoute, "type: stdout", "type: "+strings.Repeat("s", 1_000_000), 1), "bytes are left out) ... "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := write(t, "file.yaml", tc.text)
			began := time.Now()
			got := ""
			if err := check(nil, file); err != nil {
				got = err.Error()
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("took %v", took)
			}
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("got %s\nwant %s", got[:min(len(got), 2000)], tc.want)
			}
			if n := strings.Count(got, "\n"); n > options.MaxShown {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// chain returns sinks whose dead letters go from one to the next.
func chain(n int) string {
	var b strings.Builder
	b.WriteString(oneSource + "sinks:\n")
	for i := range n {
		fmt.Fprintf(&b, "  o%d: {type: stdout, dead_letter: o%d}\n", i, i+1)
	}
	fmt.Fprintf(&b, "  o%d: {type: stdout}\nroutes: {r: {from: [in], to: [o0]}}\n", n)
	return b.String()
}

// TestMergePrecedence proves that a mapping's own keys take precedence over those of its <<, also if the mapping is
// merged itself.
func TestMergePrecedence(t *testing.T) {
	file := write(t, "merge.yaml", `
x-a: &a {timeout: 3s, queue: {size: 5}}
x-b: &b {<<: *a, timeout: 4s}
x-c: &c {timeout: 9s, queue: {size: 6}}
sources: {in: {type: redis-sub, url: "redis://b", channels: [c]}}
sinks:
  out: {<<: [*b, *c], type: stdout}
routes: {r: {from: [in], to: [out]}}
`)
	cfg, problems := load(nil, nil, file)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if d := cfg.Graph.Sinks[0].Delivery; d.Timeout.D() != 4*time.Second || d.Queue.Size != 5 {
		t.Errorf("%+v", d)
	}
	for text, want := range map[string]string{
		"x-a: {a.b: 1, a: {b: 2}}\n" + oneRoute:        "",
		"x-a: {a: 1, a: 2}\n" + oneRoute:               "is a duplicate key; the first one is in line 1",
		"x-a: {\"\": 1}\n" + oneRoute:                  "",
		"x-a: &a {[b]: 1}\nx-c: {<<: *a}\n" + oneRoute: "a key must be text",
	} {
		if err := check(nil, write(t, "keys.yaml", text)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v, want %s", text, err, want)
		}
	}
}
