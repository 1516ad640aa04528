package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"eventgateway/gateway/testenv"
)

// runWithPrograms runs a command with the variable GATEWAY_PLUGINS.
func runWithPrograms(t *testing.T, folder string, args ...string) (out string, ok bool) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(testenv.Context(t), path, args...)
	cmd.Env = []string{"GATEWAY_PLUGINS=" + folder, "XDG_STATE_HOME=" + t.TempDir(), "PATH=/usr/bin:/bin"}
	text, err := cmd.CombinedOutput()
	return string(text), err == nil
}

// TestProgramsAreTypes proves that a manifest is a type in `gateway plugins` and `gateway check`, although its program cannot run, that a
// wrong one is named, and that `gateway conformance` checks a program.
func TestProgramsAreTypes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "lines.json"), `{"protocol":1,"kind":"sink","name":"lines","summary":"Appends lines.","options":[{"name":"path","type":"text","doc":"where to","required":true}]}`)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, config, "http: {listen: \":0\"}\nsources: {made: {type: generate, rate: 1}}\nsinks: {out: {type: lines}}\nroutes: {one: {from: [made], to: [out]}}\n")
	if out, ok := runWithPrograms(t, folder, "plugins", "lines"); !ok || !strings.Contains(out, "| `path` | text | required | where to |") {
		t.Errorf("plugins: %s", out)
	}
	if out, ok := runWithPrograms(t, folder, "check", config); ok || !strings.Contains(out, "sinks.out.path: is required") {
		t.Errorf("check without the option: %s", out)
	}
	writeFile(t, config, "http: {listen: \":0\"}\nsources: {made: {type: generate, rate: 1}}\nsinks: {out: {type: lines, path: /x}}\nroutes: {one: {from: [made], to: [out]}}\n")
	if out, ok := runWithPrograms(t, folder, "check", config); !ok || !strings.Contains(out, "is right") {
		t.Errorf("check: %s", out)
	}
	if out, ok := runWithPrograms(t, "", "check", config); ok || !strings.Contains(out, `unknown sink type "lines"`) || !strings.Contains(out, "GATEWAY_PLUGINS names its folder") {
		t.Errorf("check without the folder: %s", out)
	}
	writeFile(t, filepath.Join(folder, "wrong.json"), `{"protocol":1,"kind":"sink","name":"stdout","summary":"Has a name that is taken."}`)
	if out, ok := runWithPrograms(t, folder, "plugins"); ok || !strings.Contains(out, `"stdout": the name is used twice`) {
		t.Errorf("a name that is taken: %s", out)
	}
	example, err := filepath.Abs("../sinks/exec/example.py")
	if err != nil {
		t.Fatal(err)
	}
	if out, ok := runWithPrograms(t, "", "conformance", "--options", `{"path":"`+filepath.Join(folder, "out")+`"}`, "/usr/bin/python3", example); !ok || strings.Count(out, "ok    ") < 6 {
		t.Errorf("conformance: %s", out)
	}
	taken := filepath.Join(t.TempDir(), "taken.sh")
	writeFile(t, taken, `echo '{"protocol":1,"kind":"sink","name":"x","summary":"s","options":[{"name":"timeout","type":"text","doc":"d"},{"name":"memory","type":"text","doc":"d"}]}'`)
	if out, ok := runWithPrograms(t, "", "conformance", "/bin/sh", taken); ok || !strings.Contains(out, "timeout") || !strings.Contains(out, "memory") {
		t.Errorf("conformance of options whose names are taken: %s", out)
	}
	if out, ok := runWithPrograms(t, "", "conformance", "--kind", "sink", "/bin/cat"); ok || !strings.Contains(out, "FAIL  it is ready") {
		t.Errorf("conformance of cat: %s", out)
	}
}

// TestProgramEndsWithGateway proves that a program ends when its gateway is killed by kill -9, although it reads no input.
func TestProgramEndsWithGateway(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, config, `
http: {listen: ":${PORT}"}
sources: {made: {type: exec, command: [/bin/sh, -c, "read hello; echo '{\"ready\":1}'; echo $$ > `+pid+`; while :; do /bin/sleep 1; done"]}}
sinks: {out: {type: stdout}}
routes: {one: {from: [made], to: [out]}}
`)
	p := startBinary(t, nil, "-c", config)
	p.awaitReady()
	number := 0
	testenv.Eventually(t, testenv.Wait, "the program runs", func() bool {
		text, _ := os.ReadFile(pid)
		number, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return number > 0
	})
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, testenv.Wait, "the program ends", func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(number) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ") || syscall.Kill(number, 0) != nil
	})
}
