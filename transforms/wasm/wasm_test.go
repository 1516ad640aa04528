package wasm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// wat returns the file of a module in the text format, which it builds.
func wat(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	source, module := filepath.Join(dir, "guest.wat"), filepath.Join(dir, "guest.wasm")
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("wat2wasm", source, "-o", module).CombinedOutput(); err != nil {
		t.Fatalf("wat2wasm (apt-get install wabt): %v\n%s", err, out)
	}
	return module
}

// faults returns the file of the guest whose events say what it does.
func faults(t testing.TB) string {
	t.Helper()
	return wat(t, testdata(t, "faults.wat"))
}

func testdata(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// goGuest returns the file of the guest in README.md, which it builds.
func goGuest(t testing.TB) string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(readme)
	if code == nil {
		t.Fatal("README.md has no guest in Go")
	}
	return goModule(t, string(code[1]))
}

// goModule returns the file of a guest in Go, which it builds.
func goModule(t testing.TB, code string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"main.go": code, "go.mod": "module guest\n\ngo 1.24\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", "guest.wasm", ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return filepath.Join(dir, "guest.wasm")
}

// TestGuestInGo proves that the guest of README.md does what is said of it.
func TestGuestInGo(t *testing.T) {
	t.Parallel()
	tr := instance(t, goGuest(t), func(o *Options) { o.Timeout = options.Duration(time.Minute) })
	e := plugintest.NewEvent(`{"price":100}`)
	for range 3 {
		if out, err := plugintest.Apply(t.Context(), tr, e); err != nil || len(out) != 1 || string(out[0].Data) != `{"key":"key","event":{"price":100}}` {
			t.Fatalf("%q, %v", payloads(out), err)
		}
	}
	e.Key = ""
	if out, err := plugintest.Apply(t.Context(), tr, e); err == nil || err.Error() != "the event has no key" {
		t.Errorf("%q, %v", payloads(out), err)
	}
}

func TestConformance(t *testing.T) {
	file := faults(t)
	envelope := wat(t, testdata(t, "envelope.wat"))
	ids := func(want ...string) func(testing.TB, int, *event.Event) {
		return func(t testing.TB, i int, e *event.Event) {
			if e.ID != want[i] || e.Key != "key" || e.Channel != "channel" {
				t.Errorf("%+v", e)
			}
		}
	}
	options := "file: " + file
	with := func(more string) string { return fmt.Sprintf("{file: %s, %s}", file, more) }
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Example: func(options string) string {
		return strings.Replace(options, "/etc/gateway/envelope.wasm", envelope, 1)
	}, Cases: []plugintest.TransformCase{
		{Name: "one", Options: options, In: `echo`, Out: []string{`echo`}},
		{Name: "none", Options: options, In: `?`, Out: nil},
		{Name: "two", Options: options, In: `2x`, Out: []string{`2`, `x`}, Check: ids("id", "id/1")},
		{Name: "payload", Options: options, In: `r0`, Out: []string{`r0`}},
		{Name: "no options", Options: options, In: `r1`, Out: []string{`{}`}},
		{Name: "options", Options: with(`options: {a: [1, x]}, secrets: {b: "2"}`), In: `r1`, Out: []string{`{"a":[1,"x"],"b":"2"}`}},
		{Name: "id", Options: options, In: `r2`, Out: []string{`id`}},
		{Name: "source", Options: options, In: `r3`, Out: []string{`source`}},
		{Name: "channel", Options: options, In: `r4`, Out: []string{`channel`}},
		{Name: "key", Options: options, In: `r5`, Out: []string{`key`}},
		{Name: "attributes", Options: options, In: `r6`, Out: []string{`{"table":"orders"}`}},
		{Name: "fails", Options: options, In: `f`, Error: "no    way"},
		{Name: "fails at length", Options: options, In: `Fail`, Error: "Fail "},
	}, InvalidOptions: map[string]string{
		`{}`:                                     "file: is required",
		`file: /no/such/file`:                    "options:1:7: file: cannot be read: no such file",
		`file: README.md`:                        "options:1:7: file: is not a WebAssembly module in the binary format",
		with(`options: [1]`):                     "options: must be a mapping",
		with(`options: {a: 1}, secrets: {a: x}`): "secrets.a: is in options, too",
		with(`timeout: 0s`):                      "timeout: must be at least 1ms",
		with(`memory: 1KiB`):                     "memory: must be at least 64KiB",
		with(`memory: 64KiB`):                    "file: is not a module that can be run: section memory: min 2 pages (128 Ki) over limit of 1 pages (64 Ki)",
		"file: " + wat(t, `(module)`):            "file: does not export a function apply with one parameter of type i32, and no result: add it",
		"file: " + wat(t, reactor):               "file: does not export its memory",
		"file: " + wat(t, program):               "file: is a program, which exports _start: build a library instead",
		"file: " + wat(t, foreign):               "file: the module does not start: ",
		"file: " + wat(t, broken):                "file: the module does not start: the module has failed: module[] function[_initialize] failed: wasm error: unreachable",
		"file: " + wat(t, emitsEarly):            "file: the module does not start: the module has failed: emit: there is no event yet",
		"file: " + wat(t, `(module (table 100000000 funcref) (memory (export "memory") 1) (func (export "apply") (param i32)))`): "file: has a table of 100000000 entries: at most 1048576 are supported",
	}})
}

const (
	reactor    = `(module (func (export "apply") (param i32)))`
	program    = `(module (memory (export "memory") 1) (func (export "_start")) (func (export "apply") (param i32)))`
	foreign    = `(module (import "env" "now" (func)) (memory (export "memory") 1) (func (export "apply") (param i32)))`
	broken     = `(module (memory (export "memory") 1) (func (export "_initialize") unreachable) (func (export "apply") (param i32)))`
	emitsEarly = `(module (import "gateway" "emit" (func $emit (param i32 i32))) (memory (export "memory") 1)
		(func (export "_initialize") (call $emit (i32.const 0) (i32.const 0))) (func (export "apply") (param i32)))`
)
