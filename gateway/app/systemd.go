package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/systemd"
)

// startPatience is the longest time that the gateway lets systemd wait for its sources. Then it reports that it has started,
// because it also works while a server is away: it serves clients, and connects later.
var startPatience = 30 * time.Second

// maxReport is the longest time between two reports to systemd.
const maxReport = 5 * time.Second

// stopSlack is the time that a stop may take beyond shutdown_delay and shutdown_timeout, for HTTP and the embedded servers.
const stopSlack = 15 * time.Second

// stopTime returns the longest time that a stop takes.
func (g *gateway) stopTime() time.Duration {
	return time.Duration(g.delay.Load()+g.drain.Load()) + stopSlack
}

// reportAlive reports the health to systemd until stop is called, three times in the time of the watchdog. While the router
// is frozen it reports nothing, so that systemd ends the process.
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
