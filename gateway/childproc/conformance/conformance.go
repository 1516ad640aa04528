// Package conformance checks a program against the protocol of package childproc, over the wire: what plugintest checks of plugins in
// Go. It starts the program several times, with processes as the gateway starts them.
package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Subject is the program to check.
type Subject struct {
	Command []string
	Kind    plugin.Kind // "": as the program describes itself
	Config  childproc.Config
	// Acks is set if a source resumes, and Stateful if a transform depends on earlier events. Check sets them, too, if the description of
	// the program has these capabilities.
	Acks, Stateful bool
	// Fits returns an error if a gateway refuses the description of the program; nil accepts each.
	Fits func(childproc.Manifest) error
}

// Timeout is how long the program may take for each step.
const Timeout = 10 * time.Second

// Result is the result of one rule.
type Result struct {
	Rule    string
	Errors  []string // violations; none: the program keeps the rule
	Skipped string   // why the rule was not checked
}

// rule is a sentence of the protocol and its check.
type rule struct {
	name  string
	check func(*run)
}

// run is the check of one rule.
type run struct {
	ctx     context.Context
	subject *Subject
	result  Result
	log     lockedBuffer // standard error
}

func (r *run) errorf(format string, args ...any) {
	r.result.Errors = append(r.result.Errors, fmt.Sprintf(format, args...))
}

func (r *run) skip(why string) { r.result.Skipped = why }

// Check checks the program, and calls report with the result of each rule. It returns an error if the kind of the program is not known.
func Check(ctx context.Context, s Subject, report func(Result)) error {
	s.Config.Command = s.Command
	var rules []rule
	described := &run{ctx: ctx, subject: &s, result: Result{Rule: "--describe prints a description"}}
	described.describe()
	report(described.result)
	switch s.Kind {
	case plugin.KindSink:
		rules = append(common, sinkRules...)
	case plugin.KindTransform:
		rules = append(common, transformRules...)
	case plugin.KindSource:
		rules = append(common, sourceRules...)
	default:
		return errors.New("the kind of the program is not known: make --describe work, or give the kind by --kind")
	}
	for _, c := range rules {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r := &run{ctx: ctx, subject: &s, result: Result{Rule: c.name}}
		c.check(r)
		r.checkSecrets()
		report(r.result)
	}
	return nil
}

// describe runs the program with --describe, and sets the kind and the capabilities of the subject.
func (r *run) describe() {
	var env []string
	for _, e := range r.subject.Config.Env {
		env = append(env, e.Key+"="+e.Value.Reveal())
	}
	m, err := childproc.Describe(r.ctx, r.subject.Command, env)
	if err != nil {
		r.errorf("%v", err)
		return
	}
	if r.subject.Fits != nil {
		if err := r.subject.Fits(m); err != nil {
			r.errorf("%v", err)
		}
	}
	if r.subject.Kind != "" && r.subject.Kind != m.Kind {
		r.errorf("the program is a %s, and was checked as a %s", m.Kind, r.subject.Kind)
		return
	}
	r.subject.Kind = m.Kind
	r.subject.Acks = r.subject.Acks || m.Has(childproc.Acks)
	r.subject.Stateful = r.subject.Stateful || m.Has(childproc.Stateful) || m.Has(childproc.Deduplicates)
	r.subject.addDefaults(&m)
}

// addDefaults adds the options that the program describes and that are not given, as the gateway does for a program with a manifest.
func (s *Subject) addDefaults(m *childproc.Manifest) {
	defaults := m.Config(m.Defaults()())
	all := defaults.Options.(map[string]any)
	if given, ok := s.Config.Options.(map[string]any); ok {
		maps.Copy(all, given)
	}
	for _, secret := range defaults.Secrets {
		_, given := all[secret.Key]
		if !given && !slices.ContainsFunc(s.Config.Secrets, func(e options.Entry[options.Secret]) bool { return e.Key == secret.Key }) {
			s.Config.Secrets = append(s.Config.Secrets, secret)
		}
	}
	for _, secret := range s.Config.Secrets {
		delete(all, secret.Key)
	}
	s.Config.Options = all
}

// program returns a new program. Each one begins with the shortest pause between two starts.
func (r *run) program() *childproc.Program {
	env := plugin.Env{Name: "conformance", Log: slog.New(slog.NewTextHandler(&r.log, nil)), Metrics: prometheus.NewRegistry()}
	p, err := childproc.NewProgram(r.subject.Kind, r.subject.Config, env)
	if err != nil {
		panic(err) // the options came from JSON
	}
	return p
}

// timeout returns a context for one step.
func (r *run) timeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.ctx, Timeout)
}

// checkSecrets looks for secrets in the standard error.
func (r *run) checkSecrets() {
	text := r.log.String()
	for _, s := range r.subject.Config.Secrets {
		if secret := s.Value.Reveal(); len(secret) >= 4 && strings.Contains(text, secret) {
			r.errorf("the program writes the secret %s to its standard error", s.Key)
		}
	}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// common are the rules for programs of each kind.
var common = []rule{
	{"it is ready, and ends with status 0 after the end of its input", (*run).checkLife},
	{"two processes work at the same time", (*run).checkTwo},
}

// start starts a process that ignores what the program writes.
func (r *run) start() *childproc.Process {
	ctx, cancel := r.timeout()
	defer cancel()
	p, err := r.program().Start(ctx, func([]byte) error { return nil })
	if err != nil {
		r.errorf("%v", err)
		return nil
	}
	return p
}

func (r *run) stop(p *childproc.Process) {
	stop := p.Stop
	if r.subject.Kind == plugin.KindSource {
		stop = p.StopSource
	}
	if err := stop(r.ctx); err != nil {
		r.errorf("%v", err)
	}
}

func (r *run) checkLife() {
	if p := r.start(); p != nil {
		r.stop(p)
	}
}

func (r *run) checkTwo() {
	a := r.start()
	if a == nil {
		return
	}
	b := r.start()
	if b != nil {
		r.stop(b)
	}
	if err := a.Err(); err != nil {
		r.errorf("the first process has ended: %v", err)
	}
	r.stop(a)
}
