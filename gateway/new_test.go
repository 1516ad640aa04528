package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestNewProgramWorksAsItIsWritten proves that the program which `gateway new plugin --lang` writes keeps the protocol, and that its
// gateway.yaml checks, passes its tests and runs.
func TestNewProgramWorksAsItIsWritten(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"source", "transform", "sink"} {
		for lang, extension := range map[string]string{"python": ".py", "shell": ".sh"} {
			t.Run(kind+" "+lang, func(t *testing.T) {
				t.Parallel()
				at := filepath.Join(t.TempDir(), "at")
				run := func(want string, args ...string) {
					t.Helper()
					if out, ok := runWithPrograms(t, at, args...); !ok || !strings.Contains(out, want) {
						t.Fatalf("%v: no %q in\n%s", args, want, out)
					}
				}
				if out, ok := runWithPrograms(t, "", "new", "plugin", kind, "my-"+kind, "--lang", lang, "--dir", at); !ok {
					t.Fatal(out)
				}
				program := filepath.Join(at, "my-"+kind+extension)
				out := filepath.Join(at, "out.txt")
				run("ok    --describe prints a description", "conformance", "--options", `{"path":"`+filepath.Join(at, "checked")+`","word":"INSERT","every":0.01}`, program)
				run("| `max_line` |", "plugins", "my-"+kind)
				file := filepath.Join(at, "gateway.yaml")
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				writeFile(t, file, strings.Replace(string(text), "out.txt", out, 1))
				run("is right", "check", file)
				run("1 passed", "test", file)
				p := startBinary(t, map[string]string{"GATEWAY_PLUGINS": at}, "-c", file)
				if kind != "sink" {
					if line := p.line(); !strings.Contains(line, "number") {
						t.Errorf("the output is %q", line)
					}
				} else {
					testenv.Eventually(t, testenv.Wait, "an event arrives", func() bool {
						text, _ := os.ReadFile(out)
						return strings.Contains(string(text), "number")
					}, p.stderr.String)
				}
				if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
				if status := p.exit(testenv.Wait); status != 0 {
					t.Errorf("exit status %d:\n%s", status, p.stderr.String())
				}
			})
		}
	}
}
