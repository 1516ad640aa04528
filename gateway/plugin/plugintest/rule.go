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

// rule is one sentence of the contract, and its check. check is nil if the rule is checked with
// each call of the plugin.
type rule struct {
	name  string
	check func(c *check)
}

// finding is one violation of a rule.
type finding struct {
	Rule string `json:"rule"`
	Text string `json:"text"`
}

// settings are the timeouts and the environment of a suite.
type settings struct {
	// arrivalTimeout is how long the suite waits for an event or a call that should be immediate.
	// returnTimeout is how long a method may take after its context has ended.
	arrivalTimeout, returnTimeout time.Duration
	// ownProcess is set if no other test opens files in this process.
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
	started int // number of rules that were started
	// hung is set after the first timeout. The suite then waits for timeoutAfterHang at most.
	hung atomic.Bool

	mu       sync.Mutex
	findings []finding
	states   map[string]*State // of sources, by the name of the component
	sentBy   map[string]string // the rule that sent a payload, by payload
	report   func(finding)     // called with each finding; nil for none
}

// timeoutAfterHang is the timeout after a first timeout.
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

// ruleTimeout bounds the check of one rule, including the hooks of the harness.
const ruleTimeout = time.Minute

// allFindings returns a copy of the findings, because goroutines of the plugin may still add some.
func (s *suite) allFindings() []finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.findings)
}

// eventsPerRule is the highest number of events of one rule.
const eventsPerRule = 10_000

// run checks one rule in a goroutine of its own. A panic or a FailNow ends the rule, not the test.
func (s *suite) run(r rule) (skipped string) {
	if r.check == nil {
		return ""
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.started++
	c := &check{TB: s.t, suite: s, rule: r.name, firstNumber: s.started * eventsPerRule, ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.runCleanups(cancel)
		defer c.recover()
		c.withLabel(func() { r.check(c) })
	}()
	timer := time.NewTimer(ruleTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.hung.Store(true)
		s.add(finding{ruleContext, fmt.Sprintf("the check of %q has not ended after %v", r.name, ruleTimeout)})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skipped
}

// check is the testing.TB of one rule. It turns failures into findings.
type check struct {
	testing.TB
	suite       *suite
	rule        string
	firstNumber int // the number of the rule's first event, so that no two rules have the same payloads
	ctx         context.Context

	mu       sync.Mutex
	failed   bool
	skipped  string // why
	cleanups []func()
	sending  <-chan struct{} // the last call of Send
}

// recover turns a panic of the suite or of a hook into a finding. The caller defers it.
func (c *check) recover() {
	if p := recover(); p != nil {
		c.Errorf("panic outside the plugin: %v%s", p, panicLocation(debug.Stack()))
	}
}

// runCleanups runs the functions that Cleanup has registered, the last one first.
func (c *check) runCleanups(cancel func()) {
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
			c.Errorf("a cleanup function of the harness does not return")
		}
	}
}

// addFinding adds a finding of a rule, which may be another than the one of the check: some rules are checked at each call.
func (c *check) addFinding(rule, format string, args ...any) {
	c.mu.Lock()
	c.failed = true
	c.mu.Unlock()
	c.suite.add(finding{rule, oneLine(fmt.Sprintf(format, args...))})
}

// timedOut records that the suite has waited in vain.
func (c *check) timedOut() { c.suite.hung.Store(true) }

var errPanicked = errors.New("the method has panicked")
