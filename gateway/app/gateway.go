package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/internal/state"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/systemd"
	"eventgateway/gateway/options"
)

// gateway is one run of the gateway.
type gateway struct {
	log       *slog.Logger
	cfg       *config.Config // the running one
	initial   *built         // nil once it runs: it would keep replaced components in memory
	router    *router.Router
	admin     *admin.Admin
	reg       *prometheus.Registry // beside the router's own
	shared    httpserver.Switch    // handlers of plugins, and those of admin where it has no listener of its own
	adminOnly httpserver.Switch    // handlers of admin, where it has a listener of its own
	servers   []*httpserver.Server
	encrypted []*listenerTLS // of the servers with TLS
	http      *httpserver.Metrics
	access    *httpserver.AccessLog
	traces    traces
	reloader  *reloader         // nil: no reloads
	announce  func(page string) // prints where the page is, before the first request is answered
	delay     atomic.Int64      // shutdown_delay of the running configuration
	features  features
	drain     atomic.Int64    // shutdown_timeout of the running configuration
	sockets   systemd.Sockets // listeners that were opened before the start
	state     state.Store     // of components
	systemd   *systemd.Notifier
	letters   *letters.Store // nil: dead letters are kept in memory
	replays   *letters.Replays
	running   atomic.Pointer[config.Config] // what cfg is, for other goroutines
}

// built is a configuration whose components are built and mounted.
type built struct {
	plan              *router.Plan
	shared, adminOnly *httpserver.Table
	public            int // number of handlers on shared that are not of admin
}

// assemble builds the graph without I/O.
func assemble(cfg *config.Config, log *slog.Logger) (*gateway, error) {
	g := &gateway{log: log, cfg: cfg, router: router.New(log), reg: prometheus.NewRegistry(), http: httpserver.NewMetrics(), access: httpserver.NewAccessLog(log), announce: func(string) {}, systemd: systemd.NewNotifier(log)}
	g.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	g.admin = admin.New(g.router, prometheus.Gatherers{g.reg, g.router}, thisProgram().version, log)
	g.admin.Local = g.hasAdminListener() && options.IsLoopback(cfg.HTTP.Admin.Listen)
	g.admin.Separate = g.hasAdminListener()
	g.admin.SetAccess(accessOf(cfg.HTTP.Admin))
	g.admin.SetDescriptions(descriptions{cfg})
	g.setStopTimes(cfg)
	g.access.Set(cfg.Log.Access)
	g.reg.MustRegister(g.admin.Metrics()...)
	g.reg.MustRegister(g.http, buildInfo())
	g.traces = newTraces(g.router, log)
	g.reg.MustRegister(g.traces.metrics)
	if d := cfg.DeadLetters; d.Path != "" {
		g.letters = letters.New(letters.Options{Path: d.Path, MaxBytes: int64(d.MaxBytes), MaxAge: d.MaxAge.D()}, log)
		g.router.KeepDeadLetters(g.letters)
	}
	g.running.Store(cfg)
	g.replays = letters.NewReplays(g.router.DeadLetters(), g.router.Replay)
	g.admin.Replays, g.admin.DryRun = g.replays, g.dryRun
	var err error
	if g.state, err = state.New(cfg.State); err != nil {
		return nil, err
	}
	g.initial, err = g.build(cfg)
	return g, err
}

// build builds the components of cfg that do not run yet.
func (g *gateway) build(cfg *config.Config) (*built, error) {
	b := &built{shared: httpserver.NewTable(), adminOnly: httpserver.NewTable()}
	cfg.Graph.State = g.state
	plan, err := g.router.Plan(cfg.Graph, b.shared)
	if err != nil {
		return nil, configError(cfg.Locate(err))
	}
	b.plan, b.public = plan, b.shared.Len()
	table := b.shared
	if g.hasAdminListener() {
		table = b.adminOnly
	}
	if err := g.admin.Mount(table); err != nil {
		plan.Discard()
		return nil, err
	}
	return b, nil
}

// run serves HTTP and runs the router until ctx has ended for shutdown_delay. HTTP stops last.
func (g *gateway) run(ctx context.Context) (err error) {
	defer g.state.Close()
	if g.letters != nil {
		if err := g.letters.Open(); err != nil {
			g.initial.plan.Discard()
			return err
		}
		defer func() { err = errors.Join(err, g.letters.Close()) }()
	}
	g.setHandlers(g.initial)
	err = g.prepareState(ctx, g.cfg)
	if err == nil {
		err = g.listen()
	}
	if err != nil {
		g.initial.plan.Discard()
		return err
	}
	g.traces.set(g.cfg.Tracing)
	g.admin.SetListening()
	plan, ready := g.initial.plan, g.initial.plan.Readiness()
	g.initial = nil
	var background sync.WaitGroup
	background.Go(func() {
		late := time.AfterFunc(startPatience, g.systemd.Ready)
		defer late.Stop()
		if ready(ctx) == nil {
			g.log.Info("gateway ready")
			g.router.Timeline().Add("gateway", stats.KindGateway, stats.LevelInfo, "ready")
			g.systemd.Ready()
		}
	})
	for _, l := range g.encrypted {
		if l.acme != nil {
			background.Go(func() { l.acme.client.Run(ctx) })
		}
	}
	defer g.reportAlive()()
	if g.reloader != nil {
		background.Go(func() { g.watch(ctx) })
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() {
		defer stop()
		<-ctx.Done()
		g.awaitBalancers()
	})
	background.Go(func() { g.admin.RecordHistory(running) })
	background.Go(func() { g.replays.Run(running) })
	err = g.router.Run(running, plan)
	background.Wait()
	g.replays.Close()
	if violation := g.router.Status().ConservedAtRest(); violation != nil && err == nil {
		g.log.Error("conservation law violated, this is a bug", "error", violation)
	}
	g.traces.shutdown()
	closing, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, s := range g.servers {
		err = errors.Join(err, s.Shutdown(closing))
	}
	return err
}

// descriptions describes the components of a configuration.
type descriptions struct{ *config.Config }

// Describe is part of [admin.Descriptions].
func (d descriptions) Describe(kind, name string) (description any, found bool) {
	return d.Config.Describe(kind, name)
}

// prepareState makes the store of the state ready, unless no component of cfg uses it.
func (g *gateway) prepareState(ctx context.Context, cfg *config.Config) error {
	if len(cfg.StateUsers()) == 0 {
		return nil
	}
	return g.state.Prepare(ctx)
}

// setStopTimes sets how long a stop takes.
func (g *gateway) setStopTimes(cfg *config.Config) {
	g.delay.Store(int64(cfg.ShutdownDelay))
	g.drain.Store(int64(cfg.Graph.DrainTimeout))
}

// awaitBalancers makes /readyz answer 503 and waits for shutdown_delay, so that load balancers send requests elsewhere.
func (g *gateway) awaitBalancers() {
	g.admin.SetDraining()
	g.systemd.Stopping(g.stopTime())
	if delay := time.Duration(g.delay.Load()); delay > 0 {
		g.log.Info("not ready any more, stop follows", "shutdown_delay", delay.String())
		time.Sleep(delay)
	}
}

// setHandlers has the listeners serve the handlers of b.
func (g *gateway) setHandlers(b *built) {
	g.shared.Set(b.shared)
	g.adminOnly.Set(b.adminOnly)
}
