// Package component holds what every part of a graph has beside its plugin: its log, health, metrics
// and HTTP handlers, and guarded calls of the plugin. A fault of a plugin stays in the plugin: no
// call panics, and each has a deadline after which the caller goes on or the log says so.
package component

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/logsample"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Component is a configured source, sink, or transform of a route.
type Component struct {
	Kind   plugin.Kind
	Name   string
	Log    *slog.Logger
	Health *stats.Monitor
	// Redactor replaces the secrets of the options in all texts of the plugin: its errors, panics
	// and log.
	Redactor *options.Redactor
	// Metrics are those of the plugin. They end with the component.
	Metrics *prometheus.Registry
	// Mounts are its HTTP handlers. They are mounted again for each new graph that has the component.
	Mounts *Mounts

	unexported logsample.Sampler // of metrics that are left out
	closer     plugin.Closer     // nil where the plugin has nothing to close
	alive      context.Context   // ends when the plugin is closed
	end        context.CancelFunc
}

// New returns a component whose plugin is not built yet. A nil redactor is one of the secrets in opts.
func New(log *slog.Logger, kind plugin.Kind, name string, opts any, redactor *options.Redactor, to plugin.Mounter) *Component {
	if redactor == nil {
		redactor = options.NewRedactor(opts)
	}
	log = redacting(log.With(string(kind), name), redactor)
	c := &Component{
		Kind: kind, Name: name, Log: log, Health: stats.NewMonitor(log), Redactor: redactor,
		Metrics: prometheus.NewRegistry(), Mounts: &Mounts{to: to},
	}
	c.alive, c.end = context.WithCancel(context.Background())
	return c
}

func redacting(log *slog.Logger, redactor *options.Redactor) *slog.Logger {
	return slog.New(options.RedactLog(log.Handler(), func() *options.Redactor { return redactor }))
}

// Clock is what plugins get as the time and as a maker of unique IDs, and whether they run for
// `gateway test`; see [plugin.Env].
type Clock struct {
	Now    func() time.Time
	NewID  func() string
	DryRun bool
}

// Build builds the plugin of c. labels, beside its own, tell its metrics apart. A panic is an error like any other.
//
// state is that of the component; a plugin gets it if its type has the capability.
func Build[T any](c *Component, typ plugin.Type[T], opts any, clock Clock, state plugin.State, labels prometheus.Labels) (impl T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = c.redactOption(err)
		}
	}()
	defer c.Mounts.built()
	env := c.env(labels)
	env.Now, env.NewID, env.DryRun, env.State = clock.Now, clock.NewID, clock.DryRun, plugin.NoState{}
	if typ.HasWith(opts, plugin.KeepsState) {
		env.State = state
	}
	if impl, err = typ.Build(opts, env); err != nil {
		return impl, err
	}
	c.closer, _ = any(impl).(plugin.Closer)
	return impl, typ.CheckInstance(impl)
}

// redactOption returns an error of the plugin without secrets. The option that is to blame, where there
// is one, stays visible.
func (c *Component) redactOption(err error) error {
	if oe, ok := err.(*plugin.OptionError); ok {
		return &plugin.OptionError{Option: oe.Option, Err: c.Redactor.Error(oe.Err)}
	}
	return c.Redactor.Error(err)
}

// env returns what the plugin gets. The plugin keeps it, so it must not refer to the component: that would
// keep a component which was replaced.
func (c *Component) env(labels prometheus.Labels) plugin.Env {
	all := prometheus.Labels{string(c.Kind): c.Name}
	for name, value := range labels {
		all[name] = value
	}
	health, redactor, alive := c.Health, c.Redactor, c.alive
	panicked := func(value any) { health.Panicked(redactor.Text(fmt.Sprint(value))) }
	return plugin.Env{
		Name: c.Name, Log: c.Log, HTTP: c.Mounts,
		Metrics: registerer{prometheus.WrapRegistererWith(all, c.Metrics), panicked},
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

// AddCounters adds to counts, which may be nil, the counters of the plugin, summed over their labels.
func (c *Component) AddCounters(counts stats.PluginCounts) stats.PluginCounts {
	families, _ := c.gather() // /metrics reports what is wrong with a collector
	for _, f := range families {
		if f.GetType() != dto.MetricType_COUNTER {
			continue
		}
		if counts == nil {
			counts = stats.PluginCounts{}
		}
		for _, m := range f.GetMetric() {
			counts[f.GetName()] += uint64(m.GetCounter().GetValue())
		}
	}
	return counts
}

// Clients returns the sum of a sink's gauges whose names end with _clients; NaN if there are none.
func (c *Component) Clients() float64 {
	families, _ := c.gather() // /metrics reports what is wrong with a collector
	clients := math.NaN()
	for _, f := range families {
		if f.GetType() != dto.MetricType_GAUGE || !strings.HasSuffix(f.GetName(), "_clients") {
			continue
		}
		if math.IsNaN(clients) {
			clients = 0
		}
		for _, m := range f.GetMetric() {
			clients += m.GetGauge().GetValue()
		}
	}
	return clients
}

// Close closes the plugin. It returns an error where Close fails or does not return within a second
// after deadline.
func (c *Component) Close(deadline time.Time) error {
	c.end()
	if c.closer == nil {
		return nil
	}
	err := c.Bounded(context.Background(), "Close", time.Until(deadline), c.closer.Close)
	if err != nil {
		return fmt.Errorf("closing %s %s: %w", c.Kind, c.Name, err)
	}
	return nil
}

// Probe asks the plugin how things are where it connects to. A panic is a finding.
func (c *Component) Probe(ctx context.Context, p plugin.Prober) (findings []plugin.Finding) {
	defer func() {
		if v := recover(); v != nil {
			findings = append(findings, plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf("panic: %v", v)})
		}
		for i := range findings {
			findings[i].Text, findings[i].Fix = c.Redactor.Text(findings[i].Text), c.Redactor.Text(findings[i].Fix)
		}
	}()
	return p.Probe(ctx)
}
