package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/embedded"
)

// embeddedServers are the embedded servers of a run; the zero value is none.
type embeddedServers struct {
	servers         *embedded.Servers
	demo            *embedded.Demo
	postgres, redis bool
}

// startEmbedded starts the embedded servers that cfg refers to, and sets their URLs in it.
func startEmbedded(ctx context.Context, cfg *config.Config, dir string, log *slog.Logger) (embeddedServers, error) {
	var p embeddedServers
	p.postgres, p.redis = cfg.Embedded()
	if !p.postgres && !p.redis {
		return p, nil
	}
	s, err := embedded.Start(ctx, embedded.Options{Postgres: p.postgres, Redis: p.redis, Dir: dir})
	if err != nil {
		return p, err
	}
	p.servers, p.demo = s, embedded.NewDemo(ctx, s, log)
	cfg.SetEmbeddedURLs(s.PostgresURL(), s.RedisURL())
	return p, nil
}

// printBanner prints where the page and the embedded servers are.
func (p embeddedServers) printBanner(page string) {
	fmt.Fprintf(os.Stderr, "\n  Event gateway with embedded servers, for a first look\n\n")
	if page != "" {
		fmt.Fprintf(os.Stderr, "  open %s\n", page)
	}
	for _, line := range p.servers.Describe() {
		fmt.Fprintf(os.Stderr, "  %s\n", line)
	}
	fmt.Fprintln(os.Stderr)
}

// register lets the page change orders and take Redis away, and exports a metric of the embedded servers. An alert on it finds a
// production gateway without its DATABASE_URL.
func (p embeddedServers) register(g *gateway) {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gateway_embedded", Help: "1 for each embedded server that is in use: not for production.",
	}, []string{"server"})
	for name, on := range map[string]bool{"postgres": p.postgres, "redis": p.redis} {
		if on {
			gauge.WithLabelValues(name).Set(1)
		}
	}
	g.reg.MustRegister(gauge)
	if p.servers == nil {
		return
	}
	demo := &admin.Demo{Until: p.demo.State, PostgresCommand: p.servers.PostgresCommand()}
	if p.postgres {
		demo.Change, demo.MakeOrders = p.servers.ChangeOrder, p.demo.MakeOrders
	}
	if p.redis {
		demo.TakeRedis = p.demo.TakeRedis
	}
	g.admin.Demo = demo
}

func (p embeddedServers) stop() error {
	if p.servers == nil {
		return nil
	}
	p.demo.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return p.servers.Stop(ctx)
}
