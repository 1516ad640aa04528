package app

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// compileTime bounds all that a test compiles.
const compileTime = 10 * time.Minute

// TestNewPluginWorksAsItIsWritten proves for each kind that the module which `gateway new plugin` writes is formatted, passes go vet and the suite, and
// that a gateway which `gateway build` makes of all of them checks, tests and runs each gateway.yaml.
func TestNewPluginWorksAsItIsWritten(t *testing.T) {
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), compileTime)
	defer cancel()
	dir := t.TempDir()
	in := func(folder, name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Env = folder, append(os.Environ(), "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	build := []string{"build", "--source", source, "-o", filepath.Join(dir, "custom")}
	for _, kind := range scaffoldKinds {
		at := filepath.Join(dir, kind)
		if out, err := commandLine(t, nil, "new", "plugin", kind, "my-"+kind, "--dir", at, "--source", source); err != nil {
			t.Fatal(err, out)
		}
		if out, err := commandLine(t, nil, "new", "plugin", kind, "my-"+kind, "--dir", at, "--source", source); err == nil || !strings.Contains(err.Error(), "left as it is") {
			t.Errorf("a second time: %v, %s", err, out)
		}
		if text := in(at, "gofmt", "-l", "."); text != "" {
			t.Errorf("%s is not formatted: %s", kind, text)
		}
		in(at, "go", "vet", "./...")
		in(at, "go", "test", ".")
		build = append(build, "--with", at)
	}
	if out, err := commandLineUntil(ctx, t, nil, build...); err != nil {
		t.Fatal(err, out)
	}
	for _, kind := range scaffoldKinds {
		at := filepath.Join(dir, kind)
		in(at, filepath.Join(dir, "custom"), "check")
		in(at, filepath.Join(dir, "custom"), "test")
		runUntilOutput(t, at, filepath.Join(dir, "custom"))
	}
}

// runUntilOutput runs a gateway in a folder until an event is in out.txt, or on its standard output.
func runUntilOutput(t *testing.T, dir, program string) {
	t.Helper()
	ctx, cancel := context.WithCancel(testenv.Context(t))
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "PORT=0", "XDG_STATE_HOME="+t.TempDir())
	stdout, said := &testenv.Log{}, &testenv.Log{}
	cmd.Stdout, cmd.Stderr = stdout, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, testenv.Wait, "an event arrives", func() bool {
		file, _ := os.ReadFile(filepath.Join(dir, "out.txt"))
		return bytes.Contains(file, []byte(`"number"`)) || strings.Contains(stdout.String(), `number`)
	}, said.String)
	cancel()
	_ = cmd.Wait()
}

// TestBuildRefuses proves that a command line with which nothing can be built has an error that says what to write.
func TestBuildRefuses(t *testing.T) {
	plain := t.TempDir()
	for want, args := range map[string][]string{
		"give each module by --with MODULE":                  {"build"},
		"there is no module":                                 {"build", "--with", "shop.example/p=" + plain},
		"names no module":                                    {"build", "--with", "@v1"},
		"go.mod: no such file":                               {"build", "--with", plain},
		"is in no checkout of it: name a checkout":           {"build", "--with", "shop.example/p"},
		"is no checkout of the gateway":                      {"build", "--with", "shop.example/p", "--source", plain},
		`unknown kind "sinks" (did you mean "sink"?)`:        {"new", "plugin", "sinks", "x"},
		`unknown language "pyton" (did you mean "python"?)`:  {"new", "plugin", "sink", "x", "--lang", "pyton"},
		"--module and --source are for a plugin in Go":       {"new", "plugin", "sink", "x", "--lang", "shell", "--source", plain},
		"the name \"X\" is malformed":                        {"new", "plugin", "sink", "X"},
		"is no checkout of the gateway: it has no go.mod of": {"new", "plugin", "sink", "x", "--source", plain},
	} {
		if _, err := commandLine(t, nil, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
}
