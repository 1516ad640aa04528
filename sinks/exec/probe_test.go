package exec

import (
	"os"
	"path/filepath"
	"testing"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestProbe proves that Probe finds a command that is missing, is not executable, or is in another folder than dir, and starts nothing.
func TestProbe(t *testing.T) {
	t.Parallel()
	dir, started := t.TempDir(), filepath.Join(t.TempDir(), "started")
	script := filepath.Join(dir, "program")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n: > "+started+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "text"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		command, dir string
		want         plugin.Level
	}{
		{"sh", "", plugin.OK},
		{script, "", plugin.OK},
		{"./program", dir, plugin.OK},
		{"./program", "", plugin.Problem},
		{"program", dir, plugin.Problem}, // it is looked for in PATH
		{filepath.Join(dir, "text"), "", plugin.Problem},
		{filepath.Join(dir, "missing"), "", plugin.Problem},
		{dir, "", plugin.Problem},
		{"sh", filepath.Join(dir, "missing"), plugin.Problem},
		{"sh", script, plugin.Problem},
	} {
		s := newSink(t, func(o *Options) { o.Dir = tc.dir }, tc.command)
		found := s.(plugin.Prober).Probe(testenv.Context(t))
		if len(found) != 1 || found[0].Level != tc.want || (found[0].Fix == "") != (tc.want == plugin.OK) {
			t.Errorf("%s in %q: %+v", tc.command, tc.dir, found)
		}
	}
	if _, err := os.Stat(started); err == nil {
		t.Error("Probe has started the program")
	}
}
