package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// The programs of TestKilledPrograms: a source that resumes by its state, a transform that passes events on, and a sink that
// appends numbers to a file.
const (
	numbersProgram = `
import json, select, sys, time
hello = json.loads(sys.stdin.readline())
print('{"ready":1}', flush=True)
n, sent = hello.get("state", 0), 0
while n < %d:
    sent += 1
    print(json.dumps({"emit": sent, "events": [{"id": str(i), "key": str(i %% 7), "data": i} for i in range(n, n + 20)], "state": n + 20}), flush=True)
    n += 20
    time.sleep(0.002)
sys.stdin.read()
`
	passingProgram = `
import json, sys
sys.stdin.readline()
print('{"ready":1}', flush=True)
for line in sys.stdin:
    m = json.loads(line)
    print(json.dumps({"ack": m["batch"], "events": [{"of": i} for i in range(len(m["events"]))]}), flush=True)
`
	appendingProgram = `
import json, os, sys
out = open(json.loads(sys.stdin.readline())["options"]["path"], "a")
print('{"ready":1}', flush=True)
for line in sys.stdin:
    m = json.loads(line)
    out.write("".join(e["data"] + "\n" for e in m["events"]))
    out.flush()
    print('{"ack":%d}' % m["batch"], flush=True)
`
)

// TestKilledPrograms proves that nothing is lost when the programs of a source, a transform and a sink are killed by kill -9, each
// again and again, under load. KILLS is the number of kills.
func TestKilledPrograms(t *testing.T) {
	kills := 12
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		kills = n
	}
	dir := t.TempDir()
	events := 400 * kills
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	programs := []string{file("source.py", fmt.Sprintf(numbersProgram, events)), file("transform.py", passingProgram), file("sink.py", appendingProgram)}
	out, dead := filepath.Join(dir, "out"), filepath.Join(dir, "dead")
	config := file("gateway.yaml", fmt.Sprintf(`
http: {listen: "127.0.0.1:${PORT}"}
sources: {count: {type: exec, command: [/usr/bin/python3, %q], acks: true, in_flight: 1000}}
transforms: {pass: {type: exec, command: [/usr/bin/python3, %q]}}
sinks:
  store: {type: exec, command: [/usr/bin/python3, %q], options: {path: %q}, dead_letter: dead}
  dead: {type: file, path: %q}
routes: {all: {from: [count], through: [pass], to: [store], dead_letter: dead}}
`, programs[0], programs[1], programs[2], out, dead))
	g := startGateway(t, config, map[string]string{"DATABASE_URL": "unused", "REDIS_URL": "unused"})
	for n := range kills {
		testenv.Eventually(t, testenv.Wait, "a program runs, and is killed", func() bool {
			pid := childOf(t, os.Getpid(), programs[n%len(programs)])
			return pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil
		})
		time.Sleep(time.Duration(n%5) * 5 * time.Millisecond) // the load goes on
	}
	missing := func() (n int) {
		text, _ := os.ReadFile(out)
		parked, _ := os.ReadFile(dead)
		seen := map[string]bool{}
		for number := range strings.FieldsSeq(string(text)) {
			seen[number] = true
		}
		for i := range events {
			if !seen[strconv.Itoa(i)] && !strings.Contains(string(parked), fmt.Sprintf(`"id":"%d"`, i)) {
				n++
			}
		}
		return n
	}
	testenv.Eventually(t, 2*testenv.Wait, "all are delivered", func() bool { return missing() == 0 }, func() string { return fmt.Sprint(missing(), " are missing") })
	g.stop()
	for _, program := range programs {
		if pid := childOf(t, os.Getpid(), program); pid != 0 {
			t.Errorf("%s runs on", program)
		}
	}
}

// childOf returns a child process of a process that has an argument; 0 if there is none.
func childOf(t *testing.T, parent int, arg string) int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatal("no processes are listed", err)
	}
	for _, path := range lines {
		text, _ := os.ReadFile(path) // it may have ended
		if !strings.Contains(string(text), arg+"\x00") {
			continue
		}
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[1] == strconv.Itoa(parent) && f[0] != "Z" {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	return 0
}
