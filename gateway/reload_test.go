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

// shows is a configuration that prints text again and again.
func shows(text string) string {
	return fmt.Sprintf("http: {listen: \":${PORT}\"}\nsources: {made: {type: generate, rate: 50, template: '%s'}}\nsinks: {out: {type: stdout}}\nroutes: {r: {from: [made], to: [out]}}\n", text)
}

// awaitLine waits until the program prints a line.
func (p *program) awaitLine(want string) {
	p.t.Helper()
	for start := time.Now(); p.line() != want; {
		if time.Since(start) > testenv.Wait {
			p.t.Fatalf("it never prints %s", want)
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestChangedFileIsLoaded, however it is changed; a broken one changes nothing.
func TestChangedFileIsLoaded(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	replace := func(text string) { // as editors do
		writeFile(t, file+".new", text)
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, file, shows(`"at the start"`))
	p := startBinary(t, nil, "-c", file)
	p.awaitLine(`"at the start"`)
	writeFile(t, file, shows(`"written"`))
	p.awaitLine(`"written"`)
	replace(shows(`"replaced"`))
	p.awaitLine(`"replaced"`)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.awaitLog("cannot be read: no such file")
	p.awaitMetric("gateway_config_last_reload_successful 0")
	p.awaitLine(`"replaced"`)
	writeFile(t, file, shows(`"made anew"`))
	p.awaitLine(`"made anew"`)
	replace(shows(`"broken"`) + "nonsense: 1\n")
	p.awaitLog(`unknown option`)
	p.awaitMetric("gateway_config_last_reload_successful 0")
	p.awaitLine(`"made anew"`)
	replace(shows(`"mended"`))
	p.awaitLine(`"mended"`)
	p.awaitMetric("gateway_config_last_reload_successful 1")
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// TestMountedFileIsLoaded: Kubernetes swaps the folder that a symbolic link leads to.
func TestMountedFileIsLoaded(t *testing.T) {
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
	mount("..1", shows(`"one"`))
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.Symlink("..data/gateway.yaml", file); err != nil {
		t.Fatal(err)
	}
	p := startBinary(t, nil, "-c", file)
	for i, text := range []string{`"one"`, `"two"`, `"three"`} {
		if i > 0 {
			mount(fmt.Sprint("..", i+1), shows(text))
		}
		p.awaitLine(text)
	}
}

// TestHangupLoadsTheEnvironmentFile, which no watch looks at.
func TestHangupLoadsTheEnvironmentFile(t *testing.T) {
	dir := t.TempDir()
	file, dotenv := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "secrets")
	writeFile(t, file, strings.Replace(shows("TEXT"), "'TEXT'", "'\"${TEXT}\"'", 1))
	writeFile(t, dotenv, "TEXT=before\n")
	p := startBinary(t, nil, "-c", file, "--env-file", dotenv)
	p.awaitLine(`"before"`)
	writeFile(t, dotenv, "TEXT=after\n")
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.awaitLine(`"after"`)
	p.awaitLog(`"why":"SIGHUP"`)
}

// TestPipeInPlaceOfAFile: it is refused, and reloads go on.
func TestPipeInPlaceOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, file, shows(`"at the start"`))
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
	p.awaitLog(`"why":"SIGHUP"`)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, shows(`"a file again"`))
	p.awaitLine(`"a file again"`)
	p.awaitMetric("gateway_config_last_reload_successful 1")
}

// TestPipeAtTheStart: `-c <(...)` works, and SIGHUP takes what was read then.
func TestPipeAtTheStart(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	later := filepath.Join(t.TempDir(), "later.yaml")
	writeFile(t, later, "http: {listen: \":${PORT}\"}\n")
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(pipe, []byte(shows(`"by a pipe"`)), 0o600) }()
	p := startBinary(t, nil, "-c", pipe, "-c", later)
	p.awaitLine(`"by a pipe"`)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.awaitLog("the new configuration runs")
	p.awaitMetric("gateway_config_last_reload_successful 1")
	p.awaitLine(`"by a pipe"`)
}

// TestDotenvWarningsAreShown: by check and in the log, with the line, and never with what it says.
func TestDotenvWarningsAreShown(t *testing.T) {
	dir := t.TempDir()
	file, dotenv := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "my.env")
	writeFile(t, file, shows(`"x"`))
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
		t.Error("the log shows what the file holds")
	}
}
