package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// TestSwitchedFolderIsReloaded proves that a file is reloaded after a folder of its path, a symbolic link, was
// changed by a deployment. No watched folder changes.
func TestSwitchedFolderIsReloaded(t *testing.T) {
	dir := t.TempDir()
	current := filepath.Join(dir, "current")
	p := (*program)(nil)
	for _, text := range []string{"one", "two", "three"} {
		release := filepath.Join(dir, text)
		mkdir(t, release)
		writeFile(t, filepath.Join(release, "gateway.yaml"), printing(`"`+text+`"`))
		if err := os.Symlink(release, current+".new"); err != nil {
			t.Fatal(err)
		}
		rename(t, current+".new", current)
		if p == nil {
			p = startBinary(t, nil, "-c", filepath.Join(current, "gateway.yaml"))
		}
		p.awaitLine(`"` + text + `"`)
	}
	writeFile(t, filepath.Join(dir, "three", "gateway.yaml"), printing(`"four"`))
	p.awaitLine(`"four"`)
	stopProgram(t, p)
}

// TestMovedFolderIsReloaded proves that a file is reloaded when another folder replaces the watched one, twice.
func TestMovedFolderIsReloaded(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "config")
	p := (*program)(nil)
	for _, text := range []string{"one", "two", "three"} {
		fresh := filepath.Join(dir, "fresh-"+text)
		mkdir(t, fresh)
		writeFile(t, filepath.Join(fresh, "gateway.yaml"), printing(`"`+text+`"`))
		if p != nil {
			rename(t, folder, filepath.Join(dir, "before-"+text))
		}
		rename(t, fresh, folder)
		if p == nil {
			p = startBinary(t, nil, "-c", filepath.Join(folder, "gateway.yaml"))
		}
		p.awaitLine(`"` + text + `"`)
	}
	stopProgram(t, p)
}

// TestNeighboursDoNotPostponeAReload proves that a file is reloaded while another file of its folder is written all the time.
func TestNeighboursDoNotPostponeAReload(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	writeFile(t, file, printing(`"one"`))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		f, err := os.Create(filepath.Join(dir, "neighbour.log"))
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		for ticks := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-stop:
				ticks.Stop()
				return
			case <-ticks.C:
				_, _ = f.WriteString("x")
			}
		}
	}()
	p := startBinary(t, nil, "-c", file)
	p.awaitLine(`"one"`)
	writeFile(t, file, printing(`"two"`))
	p.awaitLine(`"two"`)
	close(stop)
	<-stopped
	stopProgram(t, p)
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

// stopProgram stops the program with SIGTERM, and checks its status.
func stopProgram(t *testing.T, p *program) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
}
