package config_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/options"
)

// inTime fails the test where f does not return.
func inTime(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: hangs", what)
	}
}

// oddFiles creates files that are not regular, or too large, and returns the expected error of each.
func oddFiles(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	pipe, folder, large, socket := filepath.Join(dir, "pipe"), filepath.Join(dir, "folder"), filepath.Join(dir, "large"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<40); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	link := filepath.Join(dir, "link")
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		pipe: "cannot be read: it is a pipe: name a regular file", link: "it is a pipe", folder: "it is a directory: name", socket: "it is a socket: name",
		"/dev/zero": "it is a device: name", large: "KiB: make it smaller", filepath.Join(dir, "none"): "no such file or directory",
	}
}

// TestSpecialFilesAreRefused proves that files that are not regular are refused with the reason, without blocking.
func TestSpecialFilesAreRefused(t *testing.T) {
	webhook := oneSource + "sinks: {out: {type: webhook, url: \"https://a.example/\", tls: {ca: \"${CA}\"}}}\nroutes: {r: {from: [in], to: [out]}}\n"
	variable := "sources: {in: {type: redis-sub, url: \"${URL}\", channels: [c]}}\nsinks: {out: {type: stdout}}\nroutes: {r: {from: [in], to: [out]}}\n"
	variableFile, webhookFile := write(t, "variable.yaml", variable), write(t, "webhook.yaml", webhook)
	for path, want := range oddFiles(t) {
		for what, read := range map[string]func() error{
			"-c":           func() error { return check(nil, path) },
			"NAME_FILE":    func() error { return check(map[string]string{"URL_FILE": path}, variableFile) },
			"options.File": func() error { return check(map[string]string{"CA": path}, webhookFile) },
			".env": func() error {
				_, err := config.ProcessEnv(path, nil)
				if err == nil && strings.HasSuffix(path, "none") {
					return os.ErrNotExist // the only one that may be missing
				}
				return err
			},
		} {
			inTime(t, what+" "+path, func() {
				err := read()
				if what == ".env" && err == os.ErrNotExist {
					return
				}
				reason := strings.TrimPrefix(want, "cannot be read: ")
				if err == nil || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), "cannot be read: ") {
					t.Errorf("%s %s: %v, want %s", what, path, err, want)
				}
			})
		}
	}
	if _, err := config.ProcessEnv(os.DevNull, nil); err != nil {
		t.Errorf("no .env by /dev/null: %v", err)
	}
}

// TestPipesAreReadOnce proves that a pipe is read completely at the start, and that a reload uses the same content
// until a regular file replaces the pipe.
func TestPipesAreReadOnce(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	text := oneRoute + "# " + strings.Repeat("x", 200_000) + "\n" // more than a pipe holds
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(pipe, []byte(text), 0o600) }()
	pipes, err := config.ReadPipes(pipe, "testdata/none", "../../../gateway.yaml")
	if err != nil || <-written != nil || len(pipes) != 1 {
		t.Fatalf("%d pipes, %v", len(pipes), err)
	}
	read := func() string {
		text, err := pipes.Read(pipe)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	inTime(t, "reading again", func() {
		for range 2 {
			if got := read(); got != text {
				t.Errorf("%d bytes, want %d", len(got), len(text))
			}
		}
	})
	if err := os.Remove(pipe); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != text {
		t.Error("a pipe that is gone is not what was read")
	}
	if err := os.WriteFile(pipe, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "new" {
		t.Errorf("the file in its place: %.20q", got)
	}
	if _, problems := config.Load(config.Request{Files: []string{pipe}, Pipes: config.Pipes{pipe: nil}}); len(problems) == 0 {
		t.Error("the file is not read")
	}
}

// TestVariableFileIsReadOnce proves that one load of a configuration uses one version of the file of a variable.
func TestVariableFileIsReadOnce(t *testing.T) {
	secret := write(t, "secret", "redis://one\n")
	cfg, problems := load(map[string]string{"URL_FILE": secret}, nil, write(t, "a.yaml", "sources: {a: {type: redis-sub, url: \"${URL}\", channels: [c]}, b: {type: redis-sub, url: \"${URL}\", channels: [c]}}\n"+
		"sinks: {out: {type: stdout}}\nroutes: {r: {from: [a, b], to: [out]}}\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, s := range cfg.Graph.Sources {
		if rows := options.Rows(s.Options); rows[0].Default != "redis://one" {
			t.Errorf("%+v", rows[0])
		}
	}
}
