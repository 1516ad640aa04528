package plugintest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
)

// The methods of testing.TB that fail, skip or log.

func (c *check) Errorf(format string, args ...any) { c.addFinding(c.rule, format, args...) }
func (c *check) Error(args ...any)                 { c.addFinding(c.rule, "%s", fmt.Sprintln(args...)) }
func (c *check) Fail()                             { c.addFinding(c.rule, "the harness has failed") }
func (c *check) Helper()                           {}

func (c *check) FailNow() {
	if !c.Failed() {
		c.Fail()
	}
	c.stop()
}

func (c *check) Fatalf(format string, args ...any) {
	c.Errorf(format, args...)
	c.stop()
}

func (c *check) Fatal(args ...any) {
	c.Error(args...)
	c.stop()
}

// stop ends the rule, or the goroutine of a hook.
func (c *check) stop() { runtime.Goexit() }

func (c *check) Failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

func (c *check) Skip(args ...any) {
	c.mu.Lock()
	c.skipped = strings.TrimSpace(fmt.Sprintln(args...))
	c.mu.Unlock()
	c.stop()
}

func (c *check) Skipf(format string, args ...any) { c.Skip(fmt.Sprintf(format, args...)) }
func (c *check) SkipNow()                         { c.Skip("") }

func (c *check) Skipped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skipped != ""
}

func (c *check) Log(args ...any)                 { c.Logf("%s", fmt.Sprintln(args...)) }
func (c *check) Logf(format string, args ...any) {}

func (c *check) Cleanup(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cleanups = append(c.cleanups, f)
}

func (c *check) Context() context.Context { return c.ctx }
func (c *check) Name() string             { return c.TB.Name() + "/" + strings.ReplaceAll(c.rule, " ", "_") }

// oneLine returns a text as one line of at most 500 bytes.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	const longest = 500
	if len(text) > longest {
		return text[:longest] + " ..."
	}
	return text
}

// ignoreFailures is a testing.TB that ignores failures, for hooks that may fail.
type ignoreFailures struct{ *check }

func (q ignoreFailures) Errorf(string, ...any) {}
func (q ignoreFailures) Error(...any)          {}
func (q ignoreFailures) Fail()                 {}
func (q ignoreFailures) FailNow()              { q.stop() }
func (q ignoreFailures) Fatalf(string, ...any) { q.stop() }
func (q ignoreFailures) Fatal(...any)          { q.stop() }
