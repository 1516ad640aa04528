package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/internal/stats"
)

// health returns the health of the gateway, from the status of its router, the last reload, the certificates and a stop under way.
func (a *Admin) health(s stats.Status) stats.GatewayHealth {
	var known []stats.Reason
	if since := a.draining.Load(); since != nil {
		known = append(known, stats.Reason{Component: "gateway", Since: *since, Text: "stopping"})
	}
	a.reload.mu.Lock()
	if last := a.reload.last; last != nil && !last.Successful {
		known = append(known, stats.Reason{Component: "configuration", Since: a.reload.failing, Text: "reload failed, the running configuration stays: " + last.Error})
	}
	a.reload.mu.Unlock()
	for _, c := range a.certificates.all() {
		known = append(known, c.reasons(time.Now())...)
	}
	return stats.Assess(s, a.Started, known...)
}

var descHealth = prometheus.NewDesc("gateway_health", "1 for the state of the gateway, 0 for the other states.", []string{"state"}, nil)

// healthCollector exports the health of the gateway.
type healthCollector struct{ admin *Admin }

// Describe is part of [prometheus.Collector].
func (c healthCollector) Describe(ch chan<- *prometheus.Desc) { ch <- descHealth }

// Collect is part of [prometheus.Collector].
func (c healthCollector) Collect(ch chan<- prometheus.Metric) {
	state := c.admin.health(c.admin.Router.Status()).State
	for _, s := range stats.HealthStates {
		value := 0.0
		if s == state {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(descHealth, prometheus.GaugeValue, value, s)
	}
}
