package plugintest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Environment variables of a child process: the test that it runs, the number of the suite within the test,
// the file that it writes to, and the number of rules to skip.
const (
	childTest, childCall, childFile, childFrom = "PLUGINTEST_TEST", "PLUGINTEST_CALL", "PLUGINTEST_FILE", "PLUGINTEST_FROM"
)

// runChild runs rules in the child process, and writes the findings to the file.
func runChild(t *testing.T, rules []rule) {
	done := make(chan struct{})
	defer close(done)
	go endWithParent(done)
	file, err := os.OpenFile(os.Getenv(childFile), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	send := func(m message) {
		line, _ := json.Marshal(m)
		_, _ = file.Write(append(line, '\n'))
	}
	set := defaultSettings()
	set.ownProcess = true
	s := &suite{t: t, settings: set, report: func(f finding) { send(message{Finding: &f}) }}
	from, _ := strconv.Atoi(os.Getenv(childFrom))
	for n, r := range rules {
		if n >= from {
			send(message{Begin: &n})
			send(message{Begin: &n, Skipped: s.run(r)})
		}
	}
	send(message{Done: true})
}

// endWithParent ends the process after its parent has ended.
func endWithParent(done <-chan struct{}) {
	parent, tick := os.Getppid(), time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			if os.Getppid() != parent {
				os.Exit(3)
			}
		}
	}
}

// spawnChild runs the test once more, in a child process that runs the suite.
func spawnChild(t *testing.T, file string, call, from int) (output string, err error) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	limit := 10 * time.Minute
	if d, ok := t.Deadline(); ok {
		limit = min(limit, time.Until(d)*9/10)
	}
	args := []string{"-test.run=" + pattern(t.Name()), "-test.timeout=" + limit.String(), "-test.count=1", "-test.paniconexit0"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	for _, arg := range os.Args[1:] {
		if !strings.HasPrefix(arg, "-test.") {
			args = append(args, arg)
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), childTest+"="+t.Name(), childCall+"="+strconv.Itoa(call), childFile+"="+file, childFrom+"="+strconv.Itoa(from))
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(limit+10*time.Second, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	err = cmd.Wait()
	return text.String(), err
}

// pattern returns the argument of -test.run that selects one test.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}
