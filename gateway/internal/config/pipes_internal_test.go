package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPipesWithoutEndAreRefused proves that a pipe without a writer, one whose writer does not close it, and one
// without an end are errors.
func TestPipesWithoutEndAreRefused(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		_, err := readPipe(pipe, time.Now().Add(100*time.Millisecond))
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if got := read(); !strings.HasPrefix(got, "the pipe gave nothing within") {
		t.Errorf("without a writer: %s", got)
	}
	w, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString("half"); err != nil {
		t.Fatal(err)
	}
	if got := read(); !strings.HasPrefix(got, "the pipe was not written to its end") {
		t.Errorf("a writer that does not end: %s", got)
	}
	go func() { // until w is closed
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 1<<16))
		}
	}()
	_, err = readPipe(pipe, time.Now().Add(time.Minute))
	if err == nil || !strings.Contains(err.Error(), "KiB: make it smaller") {
		t.Errorf("without end: %v", err)
	}
}
