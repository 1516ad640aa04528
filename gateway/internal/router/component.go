package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// component is what the parts of a graph share: everything beside the plugin
// itself that comes and goes with it.
type component struct {
	kind   plugin.Kind
	name   string
	log    *slog.Logger
	health *health
	// redactor hides its secrets in all that the plugin says: in errors, where the plugin
	// returns, and in the log.
	redactor *options.Redactor
	// metrics are what the plugin exports; they go when the component goes.
	metrics *prometheus.Registry
	// mounts are its handlers, which are mounted again for each new graph that
	// the component is a part of.
	mounts *mounts
	closer plugin.Closer // nil where it has nothing to close
	// alive ends when the plugin is closed.
	alive context.Context
	end   context.CancelFunc
}

func (r *Router) newComponent(kind plugin.Kind, name string, opts any, redactor *options.Redactor, to plugin.Mounter) component {
	if redactor == nil {
		redactor = options.NewRedactor(opts)
	}
	log := redacting(r.log.With(string(kind), name), redactor)
	c := component{
		kind: kind, name: name, log: log, health: &health{log: log}, redactor: redactor,
		metrics: prometheus.NewRegistry(), mounts: &mounts{to: to},
	}
	c.alive, c.end = context.WithCancel(context.Background())
	return c
}

func redacting(log *slog.Logger, redactor *options.Redactor) *slog.Logger {
	return slog.New(options.RedactLog(log.Handler(), func() *options.Redactor { return redactor }))
}

// env is what the plugin gets; labels beside its own tell its metrics apart.
func (c *component) env(labels prometheus.Labels) plugin.Env {
	all := prometheus.Labels{string(c.kind): c.name}
	for name, value := range labels {
		all[name] = value
	}
	// The plugin keeps its environment, which must not keep a component that was replaced.
	health, redactor, alive := c.health, c.redactor, c.alive
	panicked := func(value any) { health.panicked(redactor.Text(fmt.Sprint(value))) }
	return plugin.Env{
		Name: c.name, Log: c.log, HTTP: c.mounts,
		Metrics: registerer{prometheus.WrapRegistererWith(all, c.metrics), panicked},
		Go: func(f func(context.Context)) {
			go func() {
				defer func() {
					if p := recover(); p != nil {
						panicked(p)
					}
				}()
				f(alive)
			}()
		},
	}
}

// counters adds to counts, which may be nil, what the plugin has counted, over all labels.
func (c *component) counters(counts PluginCounts) PluginCounts {
	families, _ := c.gather() // /metrics says what is wrong with a collector
	for _, f := range families {
		if f.GetType() != dto.MetricType_COUNTER {
			continue
		}
		if counts == nil {
			counts = PluginCounts{}
		}
		for _, m := range f.GetMetric() {
			counts[f.GetName()] += uint64(m.GetCounter().GetValue())
		}
	}
	return counts
}

// instantiate builds the plugin of c. A panic is an error like any other.
func instantiate[T any](b *builder, c *component, typ plugin.Type[T], opts any, labels prometheus.Labels) (impl T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = &BuildError{c.kind, c.name, c.redacted(err)}
		}
	}()
	defer c.mounts.built()
	env := c.env(labels)
	env.Now, env.NewID, env.DryRun = b.now, b.newID, b.dryRun
	if impl, err = typ.Build(opts, env); err != nil {
		return impl, err
	}
	c.closer, _ = any(impl).(plugin.Closer)
	return impl, typ.CheckInstance(impl)
}

// redacted returns an error of the plugin without secrets. Where one option is to blame, that
// is still seen.
func (c *component) redacted(err error) error {
	if oe, ok := err.(*plugin.OptionError); ok {
		return &plugin.OptionError{Option: oe.Option, Err: c.redactor.Error(oe.Err)}
	}
	return c.redactor.Error(err)
}

// close closes the plugin, where it has something to close. One that does not return in time is
// left alone.
func (c *component) close(deadline time.Time) error {
	c.end()
	if c.closer == nil {
		return nil
	}
	err := c.bounded(context.Background(), "Close", time.Until(deadline), c.closer.Close)
	if err != nil {
		return fmt.Errorf("closing %s %s: %w", c.kind, c.name, err)
	}
	return nil
}

// mounts passes on what a component mounts while it is built, and remembers it.
type mounts struct {
	to   plugin.Mounter // nil once the component is built
	made []mount
}

// errBuilt is what a component gets that mounts a handler too late.
var errBuilt = errors.New("the component is built already; mount all handlers while it is built")

// built lets go of the table: a component may run through many graphs, and the table of its
// first one holds the handlers of components that are gone.
func (m *mounts) built() { m.to = nil }

type mount struct {
	pattern string
	handler http.Handler
	upgrade bool
}

// Handle is part of [plugin.Mounter].
func (m *mounts) Handle(pattern string, h http.Handler) error { return m.add(mount{pattern, h, false}) }

// HandleUpgrade is part of [plugin.Mounter].
func (m *mounts) HandleUpgrade(pattern string, h http.Handler) error {
	return m.add(mount{pattern, h, true})
}

func (m *mounts) add(one mount) error {
	if m.to == nil {
		return errBuilt
	}
	err := one.on(m.to)
	if err == nil {
		m.made = append(m.made, one)
	}
	return err
}

func (one mount) on(to plugin.Mounter) error {
	if one.upgrade {
		return to.HandleUpgrade(one.pattern, one.handler)
	}
	return to.Handle(one.pattern, one.handler)
}

// again mounts on another table what the component has mounted before.
func (m *mounts) again(to plugin.Mounter) error {
	for _, one := range m.made {
		if err := one.on(to); err != nil {
			return err
		}
	}
	return nil
}
