package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/systemd"
)

// startPatience is how long systemd waits for the sources at most. Then the gateway counts as started, because it also
// works while a server is away: it keeps its clients, and connects later.
var startPatience = 30 * time.Second

// maxReport is the longest time between two reports to systemd.
const maxReport = 5 * time.Second

// stopSlack is what a stop takes beside shutdown_delay and shutdown_timeout: for HTTP and the embedded servers.
const stopSlack = 15 * time.Second

// stopTime returns how long a stop takes at most.
func (g *gateway) stopTime() time.Duration {
	return time.Duration(g.delay.Load()+g.drain.Load()) + stopSlack
}

// reportAlive reports the health to systemd until stop is called, a third of the watchdog's time after the report
// before. A frozen router, whose state cannot be read, ends the reports, and then systemd ends the process.
func (g *gateway) reportAlive() (stop func()) {
	if !systemd.Enabled() {
		return func() {}
	}
	interval := maxReport
	if limit := systemd.Watchdog(); limit > 0 {
		interval = min(interval, limit/3)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		frozen := false
		for ctx.Err() == nil {
			within, cancel := context.WithTimeout(ctx, interval)
			health, err := g.admin.Health(within)
			switch {
			case err == nil:
				g.systemd.Alive(healthLine(health))
			case ctx.Err() == nil && !frozen:
				g.log.Error("gateway does not report to systemd", "error", err)
			}
			frozen = err != nil
			<-within.Done()
			cancel()
		}
	}()
	return func() { cancel(); <-ended }
}

// healthLine returns the health in one line, for systemctl status.
func healthLine(h stats.GatewayHealth) string {
	if len(h.Reasons) == 0 {
		return h.State
	}
	line := h.State + ": " + h.Reasons[0].Component + ": " + strings.Join(strings.Fields(h.Reasons[0].Text), " ")
	if more := len(h.Reasons) - 1; more > 0 {
		line += fmt.Sprintf(" (and %d more)", more)
	}
	return line
}
