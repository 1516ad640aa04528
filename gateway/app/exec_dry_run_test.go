package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestExecDryRun proves that `gateway test` tells the program of a transform that this is a dry run, and starts those of sources and
// sinks not at all.
func TestExecDryRun(t *testing.T) {
	dir := t.TempDir()
	config := fmt.Sprintf(`
sources: {numbers: {type: exec, command: [/bin/sh, -c, "echo source >> %[1]s/started"]}}
transforms:
  first_line: {type: exec, command: [/bin/sh, -c, 'read -r h; echo transform >> %[1]s/started; echo ''{"ready":1}''; read -r b; echo ''{"ack":1,"events":[{"of":0,"data":''"$h"''}]}''; cat >/dev/null']}
sinks: {store: {type: exec, command: [/bin/sh, -c, "echo sink >> %[1]s/started"]}}
routes: {all: {from: [numbers], through: [first_line], to: [store]}}
tests:
  first line:
    source: numbers
    events: [x]
    expect: {store: [{hello: 1, kind: transform, name: first_line, options: {}, max_line: 16777216, dry_run: true}]}
`, dir)
	out, err := commandLine(t, nil, "test", "-c", writeConfig(t, config))
	if err != nil || out != "ok      first line\n1 passed\n" {
		t.Errorf("%s%v", out, err)
	}
	if started, err := os.ReadFile(filepath.Join(dir, "started")); string(started) != "transform\n" {
		t.Errorf("started are %q, %v", started, err)
	}
}
