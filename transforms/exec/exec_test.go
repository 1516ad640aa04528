package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	example := func(file, rest string) string {
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("command: [%s]\nenv: {PATH: /usr/bin:/bin}\n%s", path, rest)
	}
	lengths, words := example("example.py", "options: {field: name}\nsecrets: {token: conformance-secret-token}"), example("example.sh", "max_batch: 1\noptions: {word: ship}")
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "python", Options: lengths, In: `{"name":"äb"}`, Out: []string{`{"name": "\u00e4b", "length": 2}`}},
		{Name: "python refuses", Options: lengths, In: `{"id":1}`, Error: "KeyError"},
		{Name: "shell passes on", Options: words, In: `{"a": "ship"}`, Out: []string{`{"a": "ship"}`}},
		{Name: "shell drops", Options: words, In: `{"a": "car"}`},
	}, InvalidOptions: map[string]string{
		`command: []`:              "options:1:10: command: must have at least 1 entry",
		"command: [x]\noptions: 1": "options:2:10: options: must be a mapping",
		"command: [x]\noptions: {a: 1}\nsecrets: {a: b}": "options:3:14: secrets.a: is in options, too",
	}})
}

// newTransform builds a transform with a program in Python or a shell.
func newTransform(t *testing.T, set func(*Options), command ...string) *transform {
	t.Helper()
	o := Type().Defaults().(*Options)
	o.Command, o.Env = command, options.Map[options.Secret]{{Key: "PATH", Value: options.NewSecret("/usr/bin:/bin")}}
	if set != nil {
		set(o)
	}
	tr, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.(plugin.Closer).Close(testenv.Context(t)) })
	return tr.(*transform)
}

// apply prepares and applies payloads as the router does. It returns what each becomes: payloads, or an error.
func apply(ctx context.Context, tr plugin.Transform, payloads ...string) (out []string) {
	var events []*event.Event
	for _, p := range payloads {
		events = append(events, plugintest.NewEvent(p))
	}
	tr.(plugin.Preparer).Prepare(ctx, events)
	for _, e := range events {
		var made []string
		err := tr.Apply(ctx, e, func(m *event.Event) { made = append(made, string(m.Data)) })
		switch {
		case plugin.IsUnavailable(err):
			return append(out, "unavailable: "+err.Error())
		case err != nil:
			made = []string{"error: " + err.Error()}
		}
		out = append(out, strings.Join(made, "+"))
	}
	return out
}

// TestAnswers proves what an answer to a batch of three means: none, one or several events of each, and failures of single ones.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"ack":1}`: "||",
		`{"ack":1,"events":[{"of":0},{"of":1,"data":"x"},{"of":1,"data":{"n":1.50}},{"of":2,"data_base64":"/w=="}]}`: "a|x+{\"n\":1.50}|\xff",
		`{"ack":1,"events":[{"of":2}],"failed":[{"index":0,"error":"bad"}]}`:                                         "error: bad||c",
		`{"nack":1,"error":"all"}`:                       "error: all|error: all|error: all",
		`{"nack":1,"error":"down","unavailable":true}`:   "unavailable: down",
		`{"ack":1,"events":[{"data":"x"}]}`:              "unavailable: /bin/sh: the event 0 of the answer has no of",
		`{"ack":1,"events":[{"of":1},{"of":0}]}`:         "unavailable: /bin/sh: the event 1 of the answer has of: 0",
		`{"ack":1,"events":[{"of":3}]}`:                  "unavailable: /bin/sh: the event 0 of the answer has of: 3",
		`{"ack":2}`:                                      "unavailable: /bin/sh: it has answered batch 2, which was not sent",
		`{"ack":1,"failed":[{"index":3,"error":"bad"}]}`: "unavailable: /bin/sh: failed names the event 3, and the batch has 3",
	} {
		tr := newTransform(t, nil, "/bin/sh", "-c", `read h; echo '{"ready":1}'; read b; echo '`+answer+`'; cat >/dev/null`)
		if got := strings.Join(apply(testenv.Context(t), tr, "a", "b", "c"), "|"); !strings.HasPrefix(got, want) || want == "" {
			t.Errorf("%s is %q, want %q", answer, got, want)
		}
	}
}

// TestUnavailable proves that a program which cannot start makes the transform unavailable, and that ctx ends a call.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	if got := apply(testenv.Context(t), newTransform(t, nil, "/no/such/program"), "a", "b"); len(got) != 1 || !strings.Contains(got[0], "unavailable: cannot start") {
		t.Errorf("got %q", got)
	}
	tr := newTransform(t, nil, "/usr/bin/python3", "-c", poisoned)
	ctx, cancel := context.WithCancel(testenv.Context(t))
	defer cancel()
	if got := apply(ctx, tr, "a"); got[0] != "a" {
		t.Fatal(got)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if got := apply(ctx, tr, "hang", "b"); len(got) != 1 || !strings.HasPrefix(got[0], "unavailable") {
		t.Errorf("got %q", got)
	}
}

// TestExamplesAreShort proves that the examples have under 20 lines.
func TestExamplesAreShort(t *testing.T) {
	for _, file := range []string{"example.py", "example.sh"} {
		text, err := os.ReadFile(file)
		if n := strings.Count(string(text), "\n"); err != nil || n >= 20 {
			t.Errorf("%s has %d lines, %v", file, n, errors.Join(err))
		}
	}
}
