package component

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"eventgateway/gateway/plugin"
)

// registerer is the Registerer of one plugin. It refuses the names of the router's own metrics, and
// a panic of the plugin's collectors does not end the process.
type registerer struct {
	prometheus.Registerer
	panicked func(value any)
}

// Register is part of [prometheus.Registerer].
func (r registerer) Register(c prometheus.Collector) error {
	safe := collects{c, r.panicked}
	for name := range namesOf(safe) {
		if plugin.ReservedMetric(name) {
			return fmt.Errorf("the metric %s is the router's own: take another name", name)
		}
	}
	err := r.Registerer.Register(safe)
	var again prometheus.AlreadyRegisteredError
	if errors.As(err, &again) {
		if known, ok := again.ExistingCollector.(collects); ok {
			again.ExistingCollector = known.Collector
		}
		again.NewCollector = c
		return again
	}
	return err
}

// MustRegister is part of [prometheus.Registerer].
func (r registerer) MustRegister(list ...prometheus.Collector) {
	for _, c := range list {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister is part of [prometheus.Registerer].
func (r registerer) Unregister(c prometheus.Collector) bool {
	return r.Registerer.Unregister(collects{c, r.panicked})
}

// collects is a collector of a plugin. The registry calls its methods in goroutines.
type collects struct {
	prometheus.Collector
	panicked func(value any)
}

// Describe is part of [prometheus.Collector].
func (c collects) Describe(ch chan<- *prometheus.Desc) {
	defer c.recovers()
	c.Collector.Describe(ch)
}

// Collect is part of [prometheus.Collector].
func (c collects) Collect(ch chan<- prometheus.Metric) {
	defer c.recovers()
	c.Collector.Collect(ch)
}

func (c collects) recovers() {
	if p := recover(); p != nil {
		c.panicked(p)
	}
}

var fqName = regexp.MustCompile(`fqName: "([^"]+)"`)

// namesOf returns the names of a collector's metrics. A Desc has no accessor for them.
func namesOf(c prometheus.Collector) map[string]bool {
	names, descs := map[string]bool{}, make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		c.Describe(descs)
	}()
	for d := range descs {
		if m := fqName.FindStringSubmatch(d.String()); m != nil {
			names[m[1]] = true
		}
	}
	return names
}

// gatherWithin is how long the collectors of a plugin may take.
const gatherWithin = 5 * time.Second

var errCollectors = errors.New("the plugin does not return from Collect, so its metrics are left out")

// gather returns the metrics of the plugin. One that is a function may panic, or not return. In the latter case, gather fails after
// gatherWithin, and then at once until the function returns.
func (c *Component) gather() ([]*dto.MetricFamily, error) {
	if c.lateGathers.Load() > 0 {
		return nil, errCollectors
	}
	var families []*dto.MetricFamily
	done := make(chan error, 1)
	var settled atomic.Bool // done, or late
	go func() {
		err := c.Protect(func() (err error) {
			families, err = c.Metrics.Gather()
			return err
		})
		if !settled.CompareAndSwap(false, true) {
			c.lateGathers.Add(-1)
		}
		done <- err
	}()
	late := time.NewTimer(gatherWithin)
	defer late.Stop()
	select {
	case err := <-done:
		return families, err
	case <-late.C:
		c.lateGathers.Add(1)
		if settled.CompareAndSwap(false, true) {
			return nil, errCollectors
		}
		c.lateGathers.Add(-1) // it has returned in this moment
		err := <-done
		return families, err
	}
}

// reportUnexported records that metrics of the plugin are not exported.
func (c *Component) reportUnexported(why error) {
	c.Health.Failed(why)
	c.unexported.Log(c.Log, slog.LevelError, "plugin's metric left out", "error", why)
}

// Gather returns the metrics of core and of all components. Where plugins differ in the type of a metric, the
// first one counts, and the others are left out and reported.
func Gather(core prometheus.Gatherer, components []*Component) ([]*dto.MetricFamily, error) {
	all := prometheus.Gatherers{core}
	first := map[string]*dto.MetricFamily{}
	for _, c := range components {
		families, err := c.gather()
		if err != nil {
			c.reportUnexported(err)
		}
		kept := families[:0]
		for _, f := range families {
			known := first[f.GetName()]
			switch {
			case known == nil:
				first[f.GetName()] = f
			case known.GetType() != f.GetType():
				c.reportUnexported(fmt.Errorf("the metric %s is a %v of another plugin", f.GetName(), known.GetType()))
				continue
			default:
				f.Help = known.Help
			}
			kept = append(kept, f)
		}
		all = append(all, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return kept, nil }))
	}
	return all.Gather()
}
