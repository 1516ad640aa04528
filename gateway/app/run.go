package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"eventgateway/gateway/admin"
	"eventgateway/gateway/config"
	"eventgateway/gateway/httpserver"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/router"
)

// run is the root command: it runs until a signal ends it.
func run(ctx context.Context, set plugin.Set, f *flags) error {
	cfg, err := f.load(set)
	if err != nil {
		return err
	}
	log, err := newLog(os.Stderr, cfg.Log)
	if err != nil {
		return err
	}
	ctx, stop := signals(ctx, log)
	defer stop()
	private, err := startPrivate(ctx, cfg, f.data)
	if err != nil {
		return err
	}
	g, err := assemble(cfg, log)
	if err == nil {
		private.observe(g)
		err = g.run(ctx)
	}
	return errors.Join(err, private.stop())
}

// signals returns a context that SIGINT or SIGTERM ends. A second one exits at
// once.
func signals(ctx context.Context, log *slog.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-ch:
			log.Info("stopping", "signal", s.String())
			cancel()
		case <-ctx.Done():
			return
		}
		// timeout(1) and some supervisors signal the process and its group at once.
		time.Sleep(sameSignal)
		for len(ch) > 0 {
			<-ch
		}
		log.Info("still stopping; another signal exits at once")
		s := <-ch
		log.Warn("exiting at once: what waits is lost", "signal", s.String())
		os.Exit(1)
	}()
	return ctx, func() { signal.Stop(ch); cancel() }
}

// sameSignal is how soon after the first signal another one is taken for the same.
const sameSignal = 200 * time.Millisecond

// gateway is everything of one run, built and not yet started.
type gateway struct {
	cfg    *config.Config
	log    *slog.Logger
	router *router.Router
	admin  *admin.Admin
	shared *httpserver.Table // what plugins mount, and admin where it has no listener of its own
	own    *httpserver.Table // admin's, where it has
	public int               // handlers on shared that are not admin's
	reg    *prometheus.Registry
}

// assemble builds the graph without I/O.
func assemble(cfg *config.Config, log *slog.Logger) (*gateway, error) {
	reg := prometheus.NewRegistry()
	g := &gateway{cfg: cfg, log: log, shared: httpserver.NewTable(), reg: reg}
	r, err := router.New(cfg.Graph, router.Deps{
		Log: log, Metrics: reg, HTTP: g.shared, DrainTimeout: cfg.ShutdownTimeout.D(),
	})
	if err != nil {
		return nil, wrong(cfg.Locate(err))
	}
	g.router, g.public = r, g.shared.Len()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	g.admin = &admin.Admin{
		Router: r, Gatherer: reg, Version: Version, Started: time.Now(),
		Token: cfg.HTTP.Admin.Token, Private: cfg.HTTP.Admin.Listen != "",
	}
	table := g.shared
	if cfg.HTTP.Admin.Listen != "" {
		g.own = httpserver.NewTable()
		table = g.own
	}
	return g, g.admin.Mount(table)
}

// run serves and routes until ctx ends; HTTP stops last.
func (g *gateway) run(ctx context.Context) error {
	servers, err := g.listen()
	if err != nil {
		return err
	}
	g.admin.Listening()
	go func() {
		if g.router.WaitReady(ctx) == nil {
			g.log.Info("ready: every source is connected")
		}
	}()
	stopped := context.AfterFunc(ctx, g.admin.Draining)
	defer stopped()
	err = g.router.Run(ctx)
	g.log.Info("stopped", "uptime", time.Since(g.admin.Started).Round(time.Millisecond).String())
	closing, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, s := range servers {
		err = errors.Join(err, s.Shutdown(closing))
	}
	return err
}

// listen opens the listeners. Where nothing but admin is mounted on one, a taken
// port is no reason not to work: several gateways may publish on one machine.
func (g *gateway) listen() ([]*httpserver.Server, error) {
	var servers []*httpserver.Server
	open := func(what, addr string, t *httpserver.Table, needed bool) error {
		if t == nil || t.Len() == 0 {
			return nil
		}
		s, err := httpserver.Listen(addr, g.log)
		if err != nil {
			err = fmt.Errorf("%s: %w", what, err)
			if errors.Is(err, syscall.EADDRINUSE) && !needed {
				g.log.Warn("going on without /metrics, /healthz and /api", "error", err)
				return nil
			}
			if errors.Is(err, syscall.EADDRINUSE) {
				err = fmt.Errorf("%w; set PORT, or %s, to another", err, what)
			}
			return err
		}
		s.Start(t)
		servers = append(servers, s)
		g.log.Info("listening", "for", what, "address", s.Addr().String())
		return nil
	}
	err := open("http.listen", g.cfg.HTTP.Listen, g.shared, g.public > 0)
	if err == nil {
		err = open("http.admin.listen", g.cfg.HTTP.Admin.Listen, g.own, false)
	}
	if err != nil {
		for _, s := range servers {
			_ = s.Shutdown(context.Background()) // err is what matters
		}
		return nil, err
	}
	return servers, nil
}
