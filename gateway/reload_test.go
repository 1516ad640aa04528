package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// printing returns a configuration that prints text 50 times per second.
func printing(text string) string {
	return fmt.Sprintf("http: {listen: \":${PORT}\"}\nsources: {made: {type: generate, rate: 50, template: '%s'}}\nsinks: {out: {type: stdout}}\nroutes: {r: {from: [made], to: [out]}}\n", text)
}

// awaitLine waits until the program prints a line.
func (p *program) awaitLine(want string) {
	p.t.Helper()
	for start := time.Now(); p.line() != want; {
		if time.Since(start) > testenv.Wait {
			p.t.Fatalf("%s is not printed", want)
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestChangedFileIsReloaded proves that a file is reloaded that was written, replaced or created again, and that
// the running configuration stays after an error.
func TestChangedFileIsReloaded(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	replace := func(text string) { // as editors do
		writeFile(t, file+".new", text)
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, file, printing(`"at the start"`))
	p := startBinary(t, nil, "-c", file)
	p.awaitLine(`"at the start"`)
	writeFile(t, file, printing(`"written"`))
	p.awaitLine(`"written"`)
	replace(printing(`"replaced"`))
	p.awaitLine(`"replaced"`)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.awaitLog("cannot be read: no such file")
	p.awaitMetric("gateway_config_last_reload_successful 0")
	p.awaitLine(`"replaced"`)
	writeFile(t, file, printing(`"created again"`))
	p.awaitLine(`"created again"`)
	replace(printing(`"broken"`) + "nonsense: 1\n")
	p.awaitLog(`unknown option`)
	p.awaitMetric("gateway_config_last_reload_successful 0")
	p.awaitLine(`"created again"`)
	replace(printing(`"mended"`))
	p.awaitLine(`"mended"`)
	p.awaitMetric("gateway_config_last_reload_successful 1")
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// TestMountedFileIsReloaded proves that a file is reloaded when the folder behind a symbolic link is replaced, as
// Kubernetes does.
func TestMountedFileIsReloaded(t *testing.T) {
	dir := t.TempDir()
	mount := func(name, text string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name, "gateway.yaml"), text)
		if err := os.Symlink(name, filepath.Join(dir, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	mount("..1", printing(`"one"`))
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.Symlink("..data/gateway.yaml", file); err != nil {
		t.Fatal(err)
	}
	p := startBinary(t, nil, "-c", file)
	for i, text := range []string{`"one"`, `"two"`, `"three"`} {
		if i > 0 {
			mount(fmt.Sprint("..", i+1), printing(text))
		}
		p.awaitLine(text)
	}
}

// TestHangupReloadsEnvironmentFile proves that SIGHUP reloads the file of --env-file, which is not watched.
func TestHangupReloadsEnvironmentFile(t *testing.T) {
	dir := t.TempDir()
	file, dotenv := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "secrets")
	writeFile(t, file, strings.Replace(printing("TEXT"), "'TEXT'", "'\"${TEXT}\"'", 1))
	writeFile(t, dotenv, "TEXT=before\n")
	p := startBinary(t, nil, "-c", file, "--env-file", dotenv)
	p.awaitLine(`"before"`)
	writeFile(t, dotenv, "TEXT=after\n")
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.awaitLine(`"after"`)
	p.awaitLog(`"reason":"SIGHUP"`)
}

// TestPipeInPlaceOfFileIsRefused proves that a reload refuses a pipe, and that later reloads work.
func TestPipeInPlaceOfFileIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, file, printing(`"at the start"`))
	p := startBinary(t, nil, "-c", file)
	p.awaitLine(`"at the start"`)
	if err := syscall.Mkfifo(file+".new", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	p.awaitLog("it is a pipe: name a regular file")
	p.awaitMetric("gateway_config_last_reload_successful 0")
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.awaitLog(`"reason":"SIGHUP"`)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, printing(`"a file again"`))
	p.awaitLine(`"a file again"`)
	p.awaitMetric("gateway_config_last_reload_successful 1")
}

// TestPipeAtStartIsReadOnce proves that `-c <(...)` works, and that SIGHUP uses the text that was read at the start.
func TestPipeAtStartIsReadOnce(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	later := filepath.Join(t.TempDir(), "later.yaml")
	writeFile(t, later, "http: {listen: \":${PORT}\"}\n")
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(pipe, []byte(printing(`"by a pipe"`)), 0o600) }()
	p := startBinary(t, nil, "-c", pipe, "-c", later)
	p.awaitLine(`"by a pipe"`)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.awaitLog("configuration reloaded")
	p.awaitMetric("gateway_config_last_reload_successful 1")
	p.awaitLine(`"by a pipe"`)
}

// TestDotenvWarningsAreReported proves that check and the log report a malformed line of an env file, without its
// text.
func TestDotenvWarningsAreReported(t *testing.T) {
	dir := t.TempDir()
	file, dotenv := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "my.env")
	writeFile(t, file, printing(`"x"`))
	writeFile(t, dotenv, "# mine\nmy s3cret\n")
	checked := startBinary(t, nil, "check", "-c", file, "--env-file", dotenv)
	if got, want := checked.line(), "warning "+dotenv+":2:1: is left out: it is not NAME=value"; got != want {
		t.Errorf("check says %s, want %s", got, want)
	}
	if code := checked.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
	p := startBinary(t, nil, "-c", file, "--env-file", dotenv)
	p.awaitLine(`"x"`)
	p.awaitLog(dotenv + ":2:1: is left out")
	if strings.Contains(p.stderr.String(), "s3cret") {
		t.Error("the log holds text of the file")
	}
}
