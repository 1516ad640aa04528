package plugintest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

const (
	ruleInstances = "instances share no state"
	ruleProbe     = "Probe reports problems"
)

// subject is a plugin of any kind, for the rules that all kinds share.
type subject[T any] struct {
	typ                    plugin.Type[T]
	reachable, unreachable func(opts any)
	// use uses an instance once: it opens and writes, runs or applies. It ignores errors, which
	// other rules check.
	use func(c *check, i *instance[T])
	// works uses an instance, and returns an error if it does not work.
	tryUse         func(c *check, i *instance[T]) error
	invalidOptions map[string]string
	// exclusive is set if two instances cannot be used at the same time.
	exclusive bool
}

// commonRules returns the rules for plugins of every kind.
func commonRules[T any](s subject[T]) []rule {
	return []rule{
		{ruleType, s.checkDescription}, {ruleMethods, s.checkMethods}, {ruleOptions, s.checkOptions}, {ruleDefaults, s.checkDefaults},
		{ruleReadme, s.checkReadme}, {ruleBuild, s.checkBuild}, {ruleInvalidOptions, s.checkInvalidOptions},
		{ruleCloseUnused, s.checkCloseUnused}, {ruleCloseTwice, s.checkCloseTwice}, {ruleContext, s.checkCloseContext}, {ruleAfterClose, s.checkAfterClose},
		{ruleLeaks, s.checkLeaks}, {ruleInstances, s.checkInstances}, {ruleMetrics, checkMetrics(s)}, {ruleSecrets, s.checkSecrets},
		{ruleProbe, s.checkProbe},
		{ruleState, nil}, {rulePanics, nil}, {ruleContext, nil}, {ruleErrors, nil}, {ruleLogged, nil}, {ruleProcess, nil}, {ruleRace, nil},
	}
}

// checkInstances uses an instance while others exist with other options, at the same time as another
// one, and after another one was closed.
func (s subject[T]) checkInstances(c *check) {
	opts := optionsOf(c, s.typ, s.reachable)
	before := processState()
	defer func() {
		for what, was := range before {
			if now := processState()[what]; now != was {
				c.Errorf("the plugin changes %s", what)
			}
		}
	}()
	a, b := build(c, s.typ, opts), build(c, s.typ, opts)
	if s.unreachable != nil {
		_, _ = tryBuild(c, s.typ, "another", optionsOf(c, s.typ, s.unreachable))
	}
	checkUsable := func(i *instance[T], when string) {
		if err := s.tryUse(c, i); err != nil && err != errPanicked {
			c.Errorf("an instance does not work %s: %v", when, err)
		}
	}
	checkUsable(a, "after another was built with other options")
	checkUsable(b, "while another is open")
	_ = a.close()
	checkUsable(b, "after another was closed")
	if s.exclusive {
		return
	}
	var both sync.WaitGroup
	for range 2 { // the race detector finds shared state
		i := build(c, s.typ, opts)
		both.Go(func() { s.use(c, i) })
	}
	both.Wait()
}

// processState returns what all plugins of a process share.
func processState() map[string]any {
	dir, _ := os.Getwd()
	return map[string]any{
		"the environment variables": strings.Join(os.Environ(), "\n"), "the working directory": dir, "slog.Default": slog.Default(),
		"http.DefaultTransport": http.DefaultTransport, "the timeout of http.DefaultClient": http.DefaultClient.Timeout,
	}
}

// provokeErrors uses an instance whose server is unavailable, and returns the errors.
func (s subject[T]) provokeErrors(c *check, i *instance[T]) (errs []error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.suite.timeout(2*time.Second))
	defer cancel()
	try := func(method string, f func(context.Context) error) {
		if err := c.call(ctx, method, f); err != nil && !errors.Is(err, errPanicked) {
			errs = append(errs, fmt.Errorf("%s: %w", method, err))
		}
	}
	switch x := any(i.impl).(type) {
	case plugin.Source:
		out := newRecordingOutput(c, s.typ.Has(plugin.AnswersSenders))
		try("Run", func(ctx context.Context) error { return x.Run(ctx, out) })
		out.endRun()
	case plugin.Sink:
		if o, ok := any(x).(plugin.Opener); ok {
			try("Open", o.Open)
		}
		if len(errs) == 0 {
			batch := c.newEvents(0, 1)
			try("Write", func(ctx context.Context) error { return x.Write(ctx, batch) })
		}
	case plugin.Transform:
		try("Apply", func(ctx context.Context) error { return x.Apply(ctx, NewEvent(`{"id":1}`), func(*event.Event) {}) })
	case plugin.BatchTransform:
		w := BatchCase{In: []string{`{"id":1}`, `{"id":2}`}}.window()
		try("ApplyBatch", func(ctx context.Context) error { return x.ApplyBatch(ctx, w, func(*event.Event) {}) })
	}
	return errs
}

// checkProbe calls Probe while the server is available, unavailable, and while it does not answer.
func (s subject[T]) checkProbe(c *check) {
	probe := func(opts any, ctx context.Context) []plugin.Finding {
		i := build(c, s.typ, opts)
		p, ok := any(i.impl).(plugin.Prober)
		if !ok {
			c.Skip("the plugin is no plugin.Prober")
		}
		var found []plugin.Finding
		_ = c.call(ctx, "Probe", func(ctx context.Context) error { found = p.Probe(ctx); return nil })
		for _, f := range found {
			if f.Level < plugin.OK || f.Level > plugin.Problem {
				c.Errorf("a finding has the level %d", int(f.Level))
			}
			if strings.TrimSpace(f.Text) == "" {
				c.Errorf("a finding has no text")
			}
		}
		_ = i.close()
		return found
	}
	probe(optionsOf(c, s.typ, s.reachable), c.ctx)
	probe(optionsOf(c, s.typ, s.reachable), endedContext())
	if s.unreachable == nil {
		return
	}
	worst := plugin.OK
	for _, f := range probe(optionsOf(c, s.typ, s.unreachable), c.ctx) {
		worst = max(worst, f.Level)
	}
	if worst == plugin.OK {
		c.Errorf("Probe finds no problem, although the server is unavailable")
	}
	silent, addrs := newProxy(c, ""), 0
	opts := optionsOf(c, s.typ, s.unreachable)
	addrs = len(addresses(opts, func(string) string { return silent.addr }))
	if addrs > 0 {
		ctx, cancel := context.WithTimeout(c.ctx, c.suite.timeout(time.Second))
		defer cancel()
		probe(opts, ctx)
	}
}
