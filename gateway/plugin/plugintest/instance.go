package plugintest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

const (
	ruleAfterClose = "an instance does nothing after Close"
	ruleBuild      = "Build opens no connection, and returns an error for invalid options"
)

// instance is one instance of a plugin, in an environment of the suite.
type instance[T any] struct {
	c       *check
	impl    T
	env     plugin.Env
	metrics *prometheus.Registry
	log     *logRecorder
	cancel  context.CancelFunc
	closed  bool
}

// tryBuild builds an instance with options. It returns the error of Build.
func tryBuild[T any](c *check, typ plugin.Type[T], name string, opts any) (*instance[T], error) {
	i := &instance[T]{c: c, log: &logRecorder{}}
	lifetime, cancel := context.WithCancel(context.Background())
	i.cancel = cancel
	built := atomic.Bool{}
	i.env, i.metrics = c.env(typ.Kind(), name, lifetime, i.log, typ.HasWith(opts, plugin.KeepsState), built.Load)
	err := c.call(c.ctx, "Build", func(context.Context) (err error) {
		i.impl, err = typ.Build(opts, i.env)
		return err
	})
	built.Store(true)
	if err != nil {
		cancel()
		var oe *plugin.OptionError
		if errors.As(err, &oe) && !hasOption(opts, oe.Option) {
			c.addFinding(ruleErrors, "Build returns a plugin.OptionError of the unknown option %q", oe.Option)
		}
		return nil, err
	}
	i.env.HTTP.(*Mounter).onLateMount = func() {
		c.addFinding(ruleBuild, "a handler is mounted after Build: mount all handlers in Build")
	}
	if err := typ.CheckInstance(i.impl); err != nil {
		c.addFinding(ruleMethods, "%v", err)
	}
	if any(i.impl) == nil {
		c.stop()
	}
	c.Cleanup(i.ensureClosed)
	return i, nil
}

// build builds an instance. It ends the rule if Build fails.
func build[T any](c *check, typ plugin.Type[T], opts any) *instance[T] {
	i, err := tryBuild(c, typ, Name, opts)
	if err != nil {
		if err != errPanicked {
			c.addFinding(ruleBuild, "Build refuses valid options: %v", err)
		}
		c.stop()
	}
	return i
}

// close closes the instance as the router does.
func (i *instance[T]) close() error {
	i.cancel()
	i.closed = true
	defer i.log.close()
	closer, ok := any(i.impl).(plugin.Closer)
	if !ok {
		return nil
	}
	return i.c.call(context.Background(), "Close", closer.Close)
}

// ensureClosed closes the instance at the end of a rule, unless the rule has closed it.
func (i *instance[T]) ensureClosed() {
	if !i.closed {
		if err := i.close(); err != nil && err != errPanicked {
			i.c.addFinding(ruleCloseUnused, "Close: %v", err)
		}
	}
}

// optionsOf returns the default options after set has changed them; nil changes none.
func optionsOf[T any](c *check, typ plugin.Type[T], set func(any)) any {
	opts := typ.Defaults()
	if set != nil {
		c.callHook(func() { set(opts) })
	}
	return opts
}

// logCheck returns a function that checks that an error, which a method has returned, was not logged since.
func (i *instance[T]) logCheck() func(method string, err error) {
	before := len(i.log.all())
	return func(method string, err error) {
		if err == nil || err == errPanicked || len(strings.TrimSpace(err.Error())) < 4 {
			return
		}
		for _, l := range i.log.all()[before:] {
			if l.level >= 4 && (strings.Contains(l.text, err.Error()) || strings.Contains(l.text, strings.ReplaceAll(err.Error(), `"`, `\"`))) {
				i.c.addFinding(ruleLogged, "%s both logs and returns an error: %s", method, l.text)
				return
			}
		}
	}
}

const ruleLogged = "an error is returned or logged, never both"

// poll waits until done returns true, for changes that give no signal. It reports whether done did.
func (c *check) poll(done func() bool) bool {
	end := time.Now().Add(c.suite.timeout(c.suite.arrivalTimeout))
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if done() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		time.Sleep(pause)
	}
}

// linesAfterClose returns the lines that were logged after the instance was closed.
func (j *logRecorder) linesAfterClose() (out []string) {
	for _, l := range j.all() {
		if l.afterClose {
			out = append(out, l.text)
		}
	}
	return slices.Compact(out)
}

// hasOption reports whether the first part of a path is an option.
func hasOption(opts any, path string) bool {
	first := path
	if end := strings.IndexAny(path, ".["); end >= 0 {
		first = path[:end]
	}
	return slices.Contains(options.Keys(opts), first)
}
