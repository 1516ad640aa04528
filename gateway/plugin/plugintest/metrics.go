package plugintest

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/plugin"
)

const ruleMetrics = "metrics are registered with Env.Metrics, under names of their own"

// checkedRegisterer is a Registerer that refuses reserved names, as the router does.
type checkedRegisterer struct {
	prometheus.Registerer
	check *check
}

var fqName = regexp.MustCompile(`fqName: "([^"]+)"`)

// Register is part of [prometheus.Registerer].
func (r *checkedRegisterer) Register(m prometheus.Collector) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.check.addFinding(rulePanics, "a collector panics: %v", p)
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	descs := make(chan *prometheus.Desc, 1000)
	m.Describe(descs)
	close(descs)
	for d := range descs {
		if name := fqName.FindStringSubmatch(d.String()); name != nil && plugin.ReservedMetric(name[1]) {
			r.check.addFinding(ruleMetrics, "the metric %s is reserved for the router: use another name", name[1])
			return fmt.Errorf("the metric %s is reserved for the router: use another name", name[1])
		}
	}
	if err = r.Registerer.Register(m); err != nil {
		r.check.addFinding(ruleMetrics, "a metric cannot be registered: %v", err)
	}
	return err
}

// MustRegister is part of [prometheus.Registerer].
func (r *checkedRegisterer) MustRegister(list ...prometheus.Collector) {
	for _, m := range list {
		if err := r.Register(m); err != nil {
			panic(err)
		}
	}
}

// metricHelp returns the help and the type of each metric of a registry, and its labels as further keys.
func (c *check) metricHelp(reg *prometheus.Registry) map[string]string {
	out := map[string]string{}
	var err error
	_ = c.call(c.ctx, "Collect", func(context.Context) error {
		families, e := reg.Gather()
		for _, f := range families {
			out[f.GetName()] = f.GetHelp() + "|" + f.GetType().String()
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					out[f.GetName()+"{"+l.GetName()+"="+l.GetValue()+"}"] = ""
				}
			}
		}
		err = e
		return nil
	})
	if err != nil {
		c.addFinding(ruleMetrics, "metrics cannot be gathered: %v", err)
	}
	return out
}

// checkMetrics compares the metrics of two instances that were used.
func checkMetrics[T any](s subject[T]) func(*check) {
	return func(c *check) {
		before, _ := prometheus.DefaultGatherer.Gather()
		known := map[string]bool{}
		for _, f := range before {
			known[f.GetName()] = true
		}
		opts := optionsOf(c, s.typ, s.reachable)
		seen := map[string]string{}
		for _, name := range []string{Name, "another"} {
			i, err := tryBuild(c, s.typ, name, opts)
			if err != nil {
				c.stop()
			}
			s.use(c, i)
			for name, help := range c.metricHelp(i.metrics) {
				if strings.Contains(name, "{") {
					continue
				}
				if old, ok := seen[name]; ok && old != help {
					c.Errorf("the metric %s has the help %q in one instance and %q in another", name, old, help)
				}
				seen[name] = help
			}
			_ = i.close()
		}
		after, _ := prometheus.DefaultGatherer.Gather()
		for _, f := range after {
			if !known[f.GetName()] {
				c.Errorf("the metric %s is registered with prometheus.DefaultRegisterer: use Env.Metrics", f.GetName())
			}
		}
	}
}
