package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/embedded"
)

// private is the private servers of a run; the zero value is none.
type private struct {
	servers         *embedded.Servers
	postgres, redis bool
}

// startPrivate starts the private servers that cfg asks for, and puts them into it.
func startPrivate(ctx context.Context, cfg *config.Config, dir string) (private, error) {
	var p private
	p.postgres, p.redis = cfg.Private()
	if !p.postgres && !p.redis {
		return p, nil
	}
	s, err := embedded.Start(ctx, embedded.Need{Postgres: p.postgres, Redis: p.redis, Dir: dir})
	if err != nil {
		return p, err
	}
	p.servers = s
	cfg.SetPrivate(s.PostgresURL(), s.RedisURL())
	return p, nil
}

// announce tells people that private servers run, and where to look.
func (p private) announce(page string) {
	fmt.Fprintf(os.Stderr, "\n  Event gateway with private servers, for a first look\n\n")
	if page != "" {
		fmt.Fprintf(os.Stderr, "  open %s\n", page)
	}
	for _, line := range p.servers.Describe() {
		fmt.Fprintf(os.Stderr, "  %s\n", line)
	}
	fmt.Fprintln(os.Stderr)
}

// observe lets the dashboard change orders, and exports that private servers are in use: an alert on it finds a
// production that has lost its DATABASE_URL.
func (p private) observe(g *gateway) {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gateway_embedded", Help: "1 for each private server that is in use: not for production.",
	}, []string{"server"})
	for name, on := range map[string]bool{"postgres": p.postgres, "redis": p.redis} {
		if on {
			gauge.WithLabelValues(name).Set(1)
		}
	}
	g.reg.MustRegister(gauge)
	if p.postgres {
		g.admin.Demo = p.servers.ChangeOrder
	}
}

func (p private) stop() error {
	if p.servers == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return p.servers.Stop(ctx)
}
