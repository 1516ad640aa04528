package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

const python = "/usr/bin/python3"

func abs(file string) string {
	path, err := filepath.Abs(file)
	if err != nil {
		panic(err)
	}
	return path
}

// TestConformance runs the suite on the example in Python, with acks and a state.
func TestConformance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	appendTo(t, path, "")
	plugintest.Source(t, plugintest.SourceHarness{
		Type: Type().With(plugin.Replays, plugin.KeepsState),
		Reachable: func(opts any) {
			o := opts.(*Options)
			o.Command, o.Config.Options = []string{python, abs("example.py")}, map[string]any{"path": path}
			o.Acks = true
			o.Secrets = options.Map[options.Secret]{{Key: "token", Value: options.NewSecret("conformance-secret-token")}}
		},
		Unreachable: func(o any) { o.(*Options).Command = []string{"/no/such/program"} },
		Send: func(t testing.TB, payloads ...string) {
			appendTo(t, path, strings.Join(payloads, "\n")+"\n")
		},
	})
}

// TestShellExample proves that the example in a shell emits, and resumes behind what was acked.
func TestShellExample(t *testing.T) {
	t.Parallel()
	s := newSource(t, func(o *Options) {
		o.Acks = true
		o.Env = append(o.Env, options.Entry[options.Secret]{Key: "PAUSE", Value: options.NewSecret("0.01")})
	}, "/bin/sh", "example.sh")
	out := &collect{verdict: func(*event.Event) error { return nil }}
	for n := range 3 {
		want := fmt.Sprintf(`{"number":%d}`, 3+3*n)
		if err := run(t, s, out, want, func() bool { return slices.Contains(out.got(), want) }); err != nil {
			t.Fatal(err)
		}
	}
	for i, got := range out.got() {
		if want := fmt.Sprintf(`{"number":%d}`, i+1); got != want {
			t.Errorf("event %d is %s", i, got)
		}
	}
}

func appendTo(t testing.TB, path, text string) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// collect is an Output that keeps what it gets, and settles by verdict where that is set.
type collect struct {
	plugintest.Output
	verdict func(*event.Event) error

	mu       sync.Mutex
	payloads []string
	acks     []func(error)
	gaps     []string
	warnings []string
}

func (c *collect) Emit(ctx context.Context, b event.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range b.Events {
		c.payloads = append(c.payloads, string(e.Data))
	}
	if c.verdict == nil {
		c.acks = append(c.acks, b.Ack.Settle)
	} else {
		b.Ack.Settle(c.verdict(b.Events[0]))
	}
	return ctx.Err()
}

func (c *collect) Gap(reason string) { c.mu.Lock(); c.gaps = append(c.gaps, reason); c.mu.Unlock() }
func (c *collect) ReportError(err error) {
	c.mu.Lock()
	c.warnings = append(c.warnings, err.Error())
	c.mu.Unlock()
}

func (c *collect) got() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.payloads)
}

func newSource(t *testing.T, set func(*Options), command ...string) plugin.Source {
	t.Helper()
	return newSourceIn(t, plugintest.Env(t), set, command...)
}

func newSourceIn(t *testing.T, env plugin.Env, set func(*Options), command ...string) plugin.Source {
	t.Helper()
	o := Type().Defaults().(*Options)
	o.Command, o.Env = command, options.Map[options.Secret]{{Key: "PATH", Value: options.NewSecret("/usr/bin:/bin")}}
	if set != nil {
		set(o)
	}
	s, err := Type().Build(o, env)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run calls Run until condition is true, and returns its result.
func run(t *testing.T, s plugin.Source, out plugin.Output, what string, condition func() bool) error {
	t.Helper()
	ctx, cancel := context.WithCancel(testenv.Context(t))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, out) }()
	testenv.Eventually(t, testenv.Wait, what, condition)
	cancel()
	return <-ended
}

// TestExamplesAreShort proves that the examples have under 20 lines.
func TestExamplesAreShort(t *testing.T) {
	for _, file := range []string{"example.py", "example.sh"} {
		text, err := os.ReadFile(file)
		if n := strings.Count(string(text), "\n"); err != nil || n >= 20 {
			t.Errorf("%s has %d lines, %v", file, n, err)
		}
	}
}

// ready is the beginning of a program in a shell that has said that it is ready.
const ready = `read hello; echo '{"ready":1}'; `

// TestFaultyPrograms proves that Run with each of these programs ends with an error that names the fault.
func TestFaultyPrograms(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ program, want string }{
		"ends at once":       {`exit 3`, "exit status 3"},
		"ends":               {ready, "ended with status 0 before the end of its input"},
		"garbage":            {ready + `echo garbage; cat >/dev/null`, `"garbage" is not a message`},
		"no data":            {ready + `echo '{"emit":1,"events":[{"id":"1"}]}'; cat >/dev/null`, "has no data"},
		"numbers fall":       {ready + `echo '{"emit":2,"events":[]}'; echo '{"emit":1,"events":[]}'; cat >/dev/null`, "batch 1 comes after batch 2"},
		"acks":               {ready + `echo '{"ack":1}'; cat >/dev/null`, "a source has answered a batch"},
		"a line without end": {ready + `tr '\0' x </dev/zero & cat >/dev/null`, "longer than max_line"},
		"a large state":      {ready + `printf '{"emit":1,"events":[],"state":"%070000d"}\n' 1; cat >/dev/null`, "store at most 65536"},
		"closes its output":  {ready + `exec >&-; sleep 1000`, "closed its output"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, func(o *Options) { o.Acks = true }, "/bin/sh", "-c", tc.program)
			err := s.Run(testenv.Context(t), &collect{verdict: func(*event.Event) error { return nil }})
			if !plugin.IsUnavailable(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestMessages proves that gaps and warnings are passed on, that a program which ignores its input is stopped, and that one which
// floods its output waits for acks.
func TestMessages(t *testing.T) {
	t.Parallel()
	out := &collect{}
	s := newSource(t, func(o *Options) { o.Acks, o.InFlight, o.StopTimeout = true, 10, options.Duration(50*time.Millisecond) }, "/bin/sh", "-c", ready+
		`echo '{"gap":"lost some"}'; echo '{"warning":"one part fails"}'; n=0; while :; do n=$((n+1)); echo '{"emit":'$n',"events":[{"data":'$n'}]}'; done`)
	flooded := func() bool { return len(out.got()) >= 10 }
	if err := run(t, s, out, "ten events are in flight", flooded); err != nil {
		t.Error(err)
	}
	if got := out.got(); len(got) != 10 || out.gaps[0] != "lost some" || out.warnings[0] != "one part fails" {
		t.Errorf("%d events, gaps %q, warnings %q", len(got), out.gaps, out.warnings)
	}
}

// TestAcksAndNacks proves that acks and nacks reach the program in order, that Run ends after a nack, and that the next process gets
// the state of the last ack, also after a restart.
func TestAcksAndNacks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	said, fail := filepath.Join(dir, "said"), true
	set := func(o *Options) { o.Acks, o.InFlight = true, 5 }
	command := []string{python, "-c", `
import json, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
said = open(sys.argv[1], "a")
hello = json.loads(sys.stdin.readline())
print("start", hello.get("state"), hello["credit"], file=said, flush=True)
print('{"ready":1}', flush=True)
begin = hello.get("state", 0)
for n in range(begin, 6):
    print(json.dumps({"emit": n + 1 - begin, "events": [{"data": n}], "state": n + 1}), flush=True)
for line in sys.stdin:
    print(line.strip(), file=said, flush=True)
`, said}
	out := &collect{verdict: func(e *event.Event) error {
		if string(e.Data) == "3" && fail {
			return errors.New("refused")
		}
		return nil
	}}
	env := plugintest.Env(t)
	s := newSourceIn(t, env, set, command...)
	if err := s.Run(testenv.Context(t), out); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Fatal(err)
	}
	fail = false
	if err := run(t, s, out, "the rest comes again", func() bool {
		_, second, _ := strings.Cut(read(said), "start 3")
		return strings.Contains(second, `"ack":3`)
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.(plugin.Closer).Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	restarted := plugintest.Env(t)
	restarted.State = env.State
	if err := run(t, newSourceIn(t, restarted, set, command...), out, "a restart", func() bool { return strings.Contains(read(said), "start 6") }); err != nil {
		t.Fatal(err)
	}
	got := read(said)
	for _, want := range []string{"start None 5\n", `{"nack":4,"error":"refused"}` + "\nstart 3 5\n", "start 6 5\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func read(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}
