package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
)

// gateway is everything of one run.
type gateway struct {
	log     *slog.Logger
	cfg     *config.Config // that runs
	first   *built         // until it runs; afterwards it would hold all that succeeds it
	router  *router.Router
	admin   *admin.Admin
	reg     *prometheus.Registry // beside the router's own
	shared  httpserver.Switch    // what plugins mount, and admin where it has no listener of its own
	own     httpserver.Switch    // admin's, where it has
	servers []*httpserver.Server
	http    *httpserver.Metrics
	reloads *reloads          // nil: the configuration never changes
	greet   func(page string) // shows where the page is, before anything is answered
}

// built is a configuration whose components are built and mounted.
type built struct {
	plan        *router.Plan
	shared, own *httpserver.Table
	public      int // handlers on shared that are not admin's
}

// assemble builds the graph without I/O.
func assemble(cfg *config.Config, log *slog.Logger) (*gateway, error) {
	g := &gateway{log: log, cfg: cfg, router: router.New(log), reg: prometheus.NewRegistry(), http: httpserver.NewMetrics(), greet: func(string) {}}
	g.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	g.admin = admin.New(g.router, prometheus.Gatherers{g.reg, g.router}, Version, log)
	g.admin.Local = g.dedicated() && options.IsLoopback(cfg.HTTP.Admin.Listen)
	g.admin.SetToken(cfg.HTTP.Admin.Token)
	g.reg.MustRegister(g.admin.Metrics()...)
	g.reg.MustRegister(g.http)
	var err error
	g.first, err = g.build(cfg)
	return g, err
}

// build builds what cfg has and what does not run yet.
func (g *gateway) build(cfg *config.Config) (*built, error) {
	b := &built{shared: httpserver.NewTable(), own: httpserver.NewTable()}
	plan, err := g.router.Plan(cfg.Graph, b.shared)
	if err != nil {
		return nil, wrong(cfg.Locate(err))
	}
	b.plan, b.public = plan, b.shared.Len()
	table := b.shared
	if g.dedicated() {
		table = b.own
	}
	if err := g.admin.Mount(table); err != nil {
		plan.Discard()
		return nil, err
	}
	return b, nil
}

// run serves and routes until ctx ends; HTTP stops last.
func (g *gateway) run(ctx context.Context) error {
	g.show(g.first)
	if err := g.listen(); err != nil {
		g.first.plan.Discard()
		return err
	}
	g.admin.Listening()
	plan, ready := g.first.plan, g.first.plan.Readiness()
	g.first = nil
	var background sync.WaitGroup
	background.Go(func() {
		if ready(ctx) == nil {
			g.log.Info("ready: every source is connected")
		}
	})
	if g.reloads != nil {
		background.Go(func() { g.watch(ctx) })
	}
	stopped := context.AfterFunc(ctx, g.admin.Draining)
	defer stopped()
	err := g.router.Run(ctx, plan)
	background.Wait()
	if broken := g.router.Status().ConservedAtRest(); broken != nil && err == nil {
		g.log.Error("the books do not balance: this is a bug in the gateway", "error", broken)
	}
	closing, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, s := range g.servers {
		err = errors.Join(err, s.Shutdown(closing))
	}
	return err
}

// show has the listeners serve what b has mounted.
func (g *gateway) show(b *built) {
	g.shared.Set(b.shared)
	g.own.Set(b.own)
}
