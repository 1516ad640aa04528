package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestSwitchedFolderIsLoaded: a folder of the path is a symbolic link that a deployment switches.
// No folder that is watched changes.
func TestSwitchedFolderIsLoaded(t *testing.T) {
	dir := t.TempDir()
	current := filepath.Join(dir, "current")
	p := (*program)(nil)
	for _, text := range []string{"one", "two", "three"} {
		release := filepath.Join(dir, text)
		mkdir(t, release)
		writeFile(t, filepath.Join(release, "gateway.yaml"), shows(`"`+text+`"`))
		if err := os.Symlink(release, current+".new"); err != nil {
			t.Fatal(err)
		}
		rename(t, current+".new", current)
		if p == nil {
			p = startBinary(t, nil, "-c", filepath.Join(current, "gateway.yaml"))
		}
		p.awaitLine(`"` + text + `"`)
	}
	writeFile(t, filepath.Join(dir, "three", "gateway.yaml"), shows(`"four"`))
	p.awaitLine(`"four"`)
	endWell(t, p)
}

// TestMovedFolderIsLoaded: another folder takes the place of the one that is watched, twice.
func TestMovedFolderIsLoaded(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "config")
	p := (*program)(nil)
	for _, text := range []string{"one", "two", "three"} {
		fresh := filepath.Join(dir, "fresh-"+text)
		mkdir(t, fresh)
		writeFile(t, filepath.Join(fresh, "gateway.yaml"), shows(`"`+text+`"`))
		if p != nil {
			rename(t, folder, filepath.Join(dir, "before-"+text))
		}
		rename(t, fresh, folder)
		if p == nil {
			p = startBinary(t, nil, "-c", filepath.Join(folder, "gateway.yaml"))
		}
		p.awaitLine(`"` + text + `"`)
	}
	endWell(t, p)
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// endWell stops the program in order.
func endWell(t *testing.T, p *program) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
}
