package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const python = "/usr/bin/python3"

// check returns the results of a program, by rule: "", why it was skipped, or its violations.
func check(t *testing.T, kind plugin.Kind, of map[string]any, command ...string) map[string]string {
	t.Helper()
	s := Subject{Command: command, Kind: kind}
	s.Config.Limits, s.Config.Options = childproc.Defaults(), of
	s.Config.Env = options.Map[options.Secret]{{Key: "PATH", Value: options.NewSecret("/usr/bin:/bin")}, {Key: "PAUSE", Value: options.NewSecret("0.01")}}
	s.Config.Secrets = options.Map[options.Secret]{{Key: "token", Value: options.NewSecret("a-secret-token")}}
	s.Acks = true
	results := map[string]string{}
	if err := Check(testenv.Context(t), s, func(r Result) { results[r.Rule] = strings.Join(append(r.Errors, r.Skipped), "\n") }); err != nil {
		t.Fatal(err)
	}
	return results
}

// TestExamples proves that the examples keep all rules.
func TestExamples(t *testing.T) {
	lines := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(lines, []byte(strings.Repeat("a line\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, of := range map[string]map[string]any{
		"sinks/exec/example.py":      {"path": filepath.Join(t.TempDir(), "out")},
		"sinks/exec/example.sh":      {"path": filepath.Join(t.TempDir(), "out")},
		"sources/exec/example.py":    {"path": lines},
		"sources/exec/example.sh":    {},
		"transforms/exec/example.py": {"field": "operation"},
		"transforms/exec/example.sh": {"word": "INSERT"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			kind := plugin.Kind(strings.TrimSuffix(strings.Split(file, "/")[0], "s"))
			command := []string{"/bin/sh", "../../../" + file}
			if strings.HasSuffix(file, ".py") {
				command[0] = python
			}
			for rule, text := range check(t, kind, of, command...) {
				described := rule == "--describe prints a description" && strings.HasSuffix(file, ".sh")
				if text = strings.TrimSpace(text); text != "" && !described && text != "there is no second batch" {
					t.Errorf("%s: %s", rule, text)
				}
			}
		})
	}
}

// TestPlantedFaults proves that each fault is found by the rule that it breaks.
func TestPlantedFaults(t *testing.T) {
	const loop = `
import json, sys, time
hello = json.loads(sys.stdin.readline())
def send(m): print(json.dumps(m), flush=True)
%s
send({"ready": 1})
n = 0
for line in sys.stdin:
    m = json.loads(line)
    if "batch" not in m: %s
    n += 1
    %s
%s
`
	const ack, emits = `send({"ack": m["batch"]})`, `for n in range(1, 4): send({"emit": n, "events": [{"data": n}], "state": n})`
	same := `send({"ack": m["batch"], "events": [{"of": i} for i in range(len(m["events"]))]})`
	for name, tc := range map[string]struct {
		kind                       plugin.Kind
		begin, other, batch, after string
		rule, want                 string
	}{
		"status":          {"sink", "", "continue", ack, "sys.exit(3)", "it is ready, and ends with status 0 after the end of its input", "exit status 3"},
		"not ready":       {"sink", "sys.exit(4)", "continue", ack, "", "it is ready, and ends with status 0 after the end of its input", "exit status 4"},
		"writes more":     {"sink", "", "continue", ack + "; print('done', flush=True)", "", "it answers each batch once, and writes nothing else", "not a message"},
		"twice":           {"sink", "", "continue", ack + ";" + ack, "", "it answers each batch once, and writes nothing else", "was answered before"},
		"wrong number":    {"sink", "", "continue", `send({"ack": n + 5})`, "", "it answers each batch once, and writes nothing else", "was not sent"},
		"base64":          {"sink", "", "continue", `[e["data"] for e in m["events"]]; ` + ack, "", "it answers any event, and refuses single ones alone", "not UTF-8"},
		"needs a key":     {"sink", "", "continue", `[e["key"] for e in m["events"]]; ` + ack, "", "it answers any event, and refuses single ones alone", "has no id, key"},
		"all are refused": {"sink", "", "continue", `bad = [e for e in m["events"] if "{" not in e.get("data", "")]; send({"nack": m["batch"], "error": "bad", "permanent": True} if bad else {"ack": m["batch"]})`, "", "it answers any event, and refuses single ones alone", "refused as a whole"},
		"unknown":         {"sink", "", `sys.exit(5)`, ack, "", "it ignores messages that it does not know", "exit status 5"},
		"refuses":         {"sink", "", "continue", `send({"nack": m["batch"], "error": "never"})`, "", "it delivers usual events", "never"},
		"tells a secret":  {"sink", `print(hello["options"]["token"], file=sys.stderr, flush=True); time.sleep(0.2)`, "continue", ack, "", "it is ready, and ends with status 0 after the end of its input", "writes the secret token"},
		"alone":           {"sink", `open("/tmp/LOCK", "x"); import atexit, os; atexit.register(os.remove, "/tmp/LOCK")`, "continue", ack, "", "two processes work at the same time", "exit status 1"},
		"differs":         {"transform", "", "continue", `send({"ack": m["batch"], "events": [{"of": i, "data": n} for i in range(len(m["events"]))]})`, "", "the same events become the same", "another result"},
		"no of":           {"transform", "", "continue", `send({"ack": m["batch"], "events": [{"data": 1} for e in m["events"]]})`, "", "it answers each batch once, and writes nothing else", "has no of"},
		"acks":            {"source", `send({"ready": 1}); send({"ack": 1}); time.sleep(1)`, "continue", "", "", "it emits events, in batches whose numbers rise", "a source has answered"},
		"repeats":         {"source", `send({"ready": 1})` + "\n" + emits + "\nsys.stdin.read(); sys.exit()", "continue", "", "", "after a kill -9 it resumes behind the state that it gets", "it began the next batch with"},
		"numbers":         {"source", `send({"ready": 1}); send({"emit": 1, "events": [{"data": 1}]}); send({"emit": 1, "events": [{"data": 1}]}); sys.stdin.read(); sys.exit()`, "continue", "", "", "after a kill -9 it resumes behind the state that it gets", ""},
		"passes":          {"transform", "", "continue", same, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.batch == "" {
				tc.batch = "pass"
			}
			text := fmt.Sprintf(loop, strings.ReplaceAll(tc.begin, "/tmp/LOCK", filepath.Join(t.TempDir(), "lock")), tc.other, tc.batch, tc.after)
			results := check(t, tc.kind, nil, python, "-c", text)
			if got := results[tc.rule]; !strings.Contains(got, tc.want) {
				t.Errorf("the rule %q has %q, want %q; all: %q", tc.rule, got, tc.want, results)
			}
			delete(results, "--describe prints a description") // these programs do not
			for rule, text := range results {
				if tc.rule == "" && text != "" {
					t.Errorf("%s: %s", rule, text)
				}
			}
		})
	}
}
