package plugintest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rule is one sentence of the contract, and how it is checked. check is nil where each call
// into the plugin is.
type rule struct {
	name  string
	check func(c *check)
}

// finding is one thing that a plugin does against a rule.
type finding struct {
	Rule string `json:"rule"`
	Text string `json:"text"`
}

// settings say how a suite runs.
type settings struct {
	// arrives is how long the suite waits for what comes at once, and returns how long after its
	// context has ended a method may take.
	arrivalTimeout, returnTimeout time.Duration
	// alone says that nothing else opens files in this process.
	ownProcess bool
	readme     string
}

func defaultSettings() settings {
	return settings{arrivalTimeout: 10 * time.Second, returnTimeout: 5 * time.Second, readme: "README.md"}
}

// suite runs rules on one plugin and collects findings.
type suite struct {
	settings
	t       testing.TB
	started int // that were begun
	// hung is set when the plugin has let the suite wait in vain: from then on it waits for a second.
	hung atomic.Bool

	mu       sync.Mutex
	findings []finding
	sent     map[string]string // payloads, by the rule that has sent them
	report   func(finding)     // called with each finding; nil for none
}

// timeoutAfterHang is how long the suite waits for a plugin that has hung before.
const timeoutAfterHang = time.Second

func (s *suite) timeout(normal time.Duration) time.Duration {
	if s.hung.Load() {
		return min(normal, timeoutAfterHang)
	}
	return normal
}

func (s *suite) add(f finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.findings, f) {
		return
	}
	s.findings = append(s.findings, f)
	if s.report != nil {
		s.report(f)
	}
}

// ruleTimeout bounds one rule, whatever a hook of the harness does.
const ruleTimeout = time.Minute

// found returns the findings so far: a goroutine of the plugin may still make some.
func (s *suite) found() []finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.findings)
}

// eventsPerRule is how many events a rule may number.
const eventsPerRule = 10_000

// run checks one rule in a goroutine of its own. A panic or a FailNow ends the rule, not the test.
func (s *suite) run(r rule) (skipped string) {
	if r.check == nil {
		return ""
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.started++
	c := &check{TB: s.t, suite: s, rule: r.name, base: s.started * eventsPerRule, ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.clean(cancel)
		defer c.recover()
		c.labelled(func() { r.check(c) })
	}()
	timer := time.NewTimer(ruleTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.hung.Store(true)
		s.add(finding{ruleContext, fmt.Sprintf("%q was not done after %v", r.name, ruleTimeout)})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skipped
}

// check is the testing.TB of one rule: what fails is a finding.
type check struct {
	testing.TB
	suite *suite
	rule  string
	base  int // the number of the rule's first event: no two rules have the same payloads
	ctx   context.Context

	mu       sync.Mutex
	failed   bool
	skipped  string // why
	cleanups []func()
	sending  <-chan struct{} // the last call of Send
}

// recover is deferred: a panic of the suite or of a hook is a finding.
func (c *check) recover() {
	if p := recover(); p != nil {
		c.Errorf("panic outside the plugin: %v%s", p, panicLocation(debug.Stack()))
	}
}

// clean runs what Cleanup was given, the last one first.
func (c *check) clean(cancel func()) {
	cancel()
	for {
		c.mu.Lock()
		n := len(c.cleanups)
		if n == 0 {
			c.mu.Unlock()
			return
		}
		f := c.cleanups[n-1]
		c.cleanups = c.cleanups[:n-1]
		c.mu.Unlock()
		done := make(chan struct{})
		go func() { // it may call FailNow
			defer close(done)
			defer c.recover()
			f()
		}()
		select {
		case <-done:
		case <-time.After(ruleTimeout / 4):
			c.Errorf("a cleanup of the harness does not end")
		}
	}
}

// addFinding adds a finding of another rule than the one that is checked.
func (c *check) addFinding(rule, format string, args ...any) {
	c.mu.Lock()
	c.failed = true
	c.mu.Unlock()
	c.suite.add(finding{rule, oneLine(fmt.Sprintf(format, args...))})
}

// timedOut notes that the suite has waited for something in vain.
func (c *check) timedOut() { c.suite.hung.Store(true) }

var errPanicked = errors.New("it has panicked")
