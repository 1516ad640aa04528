package app

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// TestLiveCheckOfDeadLetters proves that check --live tells whether the folder of the dead letters can be written, and has room, and that
// it does not create it.
func TestLiveCheckOfDeadLetters(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path  string
		bytes options.Size
		level plugin.Level
		text  string
	}{
		{filepath.Join(dir, "a", "b"), 1, plugin.OK, "dead letters can be stored in " + dir},
		{filepath.Join(file, "b"), 1, plugin.Problem, "not a directory"},
		{file, 1, plugin.Problem, "is no folder"},
		{dir, math.MaxInt64, plugin.Warning, "MiB left, and dead_letters.max_bytes is"},
	} {
		findings := probeLetters(config.DeadLetterStore{Path: c.path, MaxBytes: c.bytes})
		last := findings[len(findings)-1]
		if last.Level != c.level || !strings.Contains(last.Text, c.text) {
			t.Errorf("%s: %+v", c.path, findings)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the check has left %v, %v", entries, err)
	}
}
