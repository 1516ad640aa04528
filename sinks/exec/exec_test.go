package exec

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const python = "/usr/bin/python3"

func TestConformance(t *testing.T) {
	path, files, dir := "", 0, t.TempDir()
	plugintest.Sink(t, plugintest.SinkHarness{
		Type: Type(),
		Reachable: func(o any) {
			files++
			path = filepath.Join(dir, strings.Repeat("x", files))
			o.(*Options).Command = []string{python, abs("example.py")}
			o.(*Options).Options = map[string]any{"path": path}
			o.(*Options).Secrets = options.Map[options.Secret]{{Key: "token", Value: options.NewSecret("conformance-secret-token")}}
		},
		Unreachable: func(o any) { o.(*Options).Command = []string{"/no/such/program"} },
		Receive: func(t testing.TB, _ plugin.Env) func() string {
			n := 0
			return func() string {
				line := lines(t, path)[n]
				n++
				return line
			}
		},
	})
}

func abs(file string) string {
	path, err := filepath.Abs(file)
	if err != nil {
		panic(err)
	}
	return path
}

func lines(t testing.TB, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// newSink builds a sink with a command, which is closed at the end of the test.
func newSink(t *testing.T, set func(*Options), command ...string) plugin.Sink {
	t.Helper()
	o := Type().Defaults().(*Options)
	o.Command, o.Env = command, options.Map[options.Secret]{{Key: "PATH", Value: options.NewSecret("/usr/bin:/bin")}}
	if set != nil {
		set(o)
	}
	s, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.(plugin.Closer).Close(testenv.Context(t)) })
	return s
}

func events(payloads ...string) (out []*event.Event) {
	for _, p := range payloads {
		out = append(out, &event.Event{ID: "id-" + p, Data: []byte(p)})
	}
	return out
}

// TestExamples proves that the examples deliver, in Python and in a shell.
func TestExamples(t *testing.T) {
	for _, command := range [][]string{{python, "example.py"}, {"/bin/sh", "example.sh"}} {
		path := filepath.Join(t.TempDir(), "out")
		s := newSink(t, func(o *Options) { o.Options = map[string]any{"path": path} }, command...)
		for _, batch := range [][]*event.Event{events(`{"a":"1\u00e4"}`, "text"), events("\xff", "ä\n\x01\"\\")} {
			if err := s.Write(testenv.Context(t), batch); err != nil {
				t.Fatal(command, err)
			}
		}
		got := strings.Join(lines(t, path), "|")
		if command[0] == python {
			if want := `{"a":"1\u00e4"}|text||ä|` + "\x01" + `"\`; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			continue
		}
		if !strings.Contains(got, `"data_base64":"/w=="`) || len(lines(t, path)) != 2 {
			t.Errorf("got %s", got)
		}
		for _, line := range lines(t, path) {
			if !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %s", line)
			}
		}
	}
}

// TestExamplesAreShort proves that the examples have under 20 lines.
func TestExamplesAreShort(t *testing.T) {
	for _, file := range []string{"example.py", "example.sh"} {
		if n := len(lines(t, file)); n >= 20 {
			t.Errorf("%s has %d lines", file, n)
		}
	}
}
