package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/router"
)

// reloader holds what a reload of the configuration needs.
type reloader struct {
	load    func(running *config.Config) (*config.Config, error)
	files   []string
	pipes   config.Pipes // those of files that are pipes, read at the start
	reading boundedCall  // of the files
	// optionFiles are the files that options of running components name, such as certificates.
	optionFiles []string
	loaded      fingerprints // of the files that were loaded last
	hangups     <-chan os.Signal
	requests    chan chan<- admin.ReloadStatus // of /api/reload
	again       <-chan struct{}                // closed when a reload that had to wait can be repeated; nil: none had to
	ended       chan struct{}                  // closed when nothing is loaded any more
	embedded    embeddedServers
	levels      *logLevels
	redaction   *redaction
}

// newReloader returns a reloader of files.
func newReloader(files []string, load func(running *config.Config) (*config.Config, error)) *reloader {
	return &reloader{files: files, load: load, levels: &logLevels{}, requests: make(chan chan<- admin.ReloadStatus), ended: make(chan struct{})}
}

// reloadTimeout bounds the opening of the new sinks.
const reloadTimeout = 15 * time.Second

// request makes the goroutine of watch load the configuration again, and returns the result.
func (r *reloader) request(ctx context.Context) (result admin.ReloadStatus, err error) {
	answer := make(chan admin.ReloadStatus, 1)
	select {
	case r.requests <- answer:
	case <-r.ended:
		return result, errors.New("the gateway is stopping: nothing is loaded")
	case <-ctx.Done():
		return result, fmt.Errorf("another reload is under way: try again: %w", ctx.Err())
	}
	select {
	case result = <-answer:
		return result, nil
	case <-ctx.Done():
		return result, fmt.Errorf("the reload goes on: see the log for its result: %w", ctx.Err())
	}
}

// reload loads the configuration and replaces the running one. After an error nothing
// has changed.
func (g *gateway) reload(ctx context.Context, reason string) admin.ReloadStatus {
	g.systemd.Reloading()
	defer g.systemd.Reloaded()
	restart, err := g.tryReload(ctx)
	g.reloader.again = nil
	if ending := (*router.EndingError)(nil); errors.As(err, &ending) {
		g.reloader.again = ending.Ended
	}
	result := g.admin.RecordReload(err, restart)
	if err != nil {
		g.log.Error("reload failed, the running configuration stays", "reason", reason, "error", err)
		return result
	}
	g.log.Info("configuration reloaded", "reason", reason)
	logWarnings(g.log, g.cfg)
	if len(restart) > 0 {
		g.log.Warn("restart needed for changed settings", "settings", strings.Join(restart, ", "))
	}
	return result
}

func (g *gateway) tryReload(ctx context.Context) (restart []string, err error) {
	var cfg *config.Config
	var loadErr error
	running := g.cfg
	if err := g.reloader.reading.do(ctx, func() { cfg, loadErr = g.reloader.load(running) }); err != nil {
		return nil, err
	}
	if loadErr != nil {
		return nil, loadErr
	}
	if err := g.reloader.embedded.setURLs(cfg); err != nil {
		return nil, err
	}
	b, err := g.build(cfg)
	if err != nil {
		return nil, err
	}
	if b.public > 0 && len(g.servers) == 0 {
		b.plan.Discard()
		return nil, errors.New("the new configuration needs a listener, and the port was in use at the start: restart the gateway")
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	if err := g.prepareState(ctx, cfg); err != nil {
		b.plan.Discard()
		return nil, err
	}
	if err := g.router.Reload(ctx, b.plan, func() { g.setHandlers(b) }); err != nil {
		return nil, err
	}
	g.traces.set(cfg.Tracing)
	if g.reloader.redaction != nil {
		g.reloader.redaction.set(cfg)
	}
	restart = needRestart(g.cfg, cfg)
	if cfg.HTTP.Admin.Listen != g.cfg.HTTP.Admin.Listen { // the running listener may need no credentials
		cfg.HTTP.Admin.Pprof = g.cfg.HTTP.Admin.Pprof
	}
	g.admin.SetAccess(accessOf(cfg.HTTP.Admin))
	g.admin.SetDescriptions(descriptions{cfg})
	g.setStopTimes(cfg)
	if len(g.servers) > 0 {
		g.prepareSecret()
	}
	g.reloader.useOptionFiles(cfg)
	_ = g.reloader.levels.configure(cfg) // the configuration was checked, and the level of the command line at the start
	g.access.Set(cfg.Log.Access)
	// Settings that need a restart keep their values, so that the next reload reports them again.
	g.reloadTLS(&cfg.HTTP.TLS, &g.cfg.HTTP.TLS, "http.tls")
	adminTLS := config.SharedTLS{ServerTLS: cfg.HTTP.Admin.TLS}
	g.reloadTLS(&adminTLS, &config.SharedTLS{ServerTLS: g.cfg.HTTP.Admin.TLS}, "http.admin.tls")
	cfg.HTTP.Admin.TLS = adminTLS.ServerTLS
	cfg.HTTP.SocketAccess, cfg.HTTP.ProxyProtocol, cfg.HTTP.BasePath = g.cfg.HTTP.SocketAccess, g.cfg.HTTP.ProxyProtocol, g.cfg.HTTP.BasePath
	cfg.State = g.cfg.State
	cfg.HTTP.Listen, cfg.HTTP.Admin.Listen, cfg.HTTP.Limits, cfg.Log.Format = g.cfg.HTTP.Listen, g.cfg.HTTP.Admin.Listen, g.cfg.HTTP.Limits, g.cfg.Log.Format
	cfg.DeadLetters = g.cfg.DeadLetters
	g.cfg = cfg
	g.running.Store(cfg)
	return restart, nil
}

// needRestart returns the names of the settings that differ and need a restart.
func needRestart(running, loaded *config.Config) (names []string) {
	for _, s := range []struct{ name, running, loaded string }{
		{"http.listen", running.HTTP.Listen, loaded.HTTP.Listen},
		{"http.socket_access", running.HTTP.SocketAccess, loaded.HTTP.SocketAccess},
		{"http.proxy_protocol", fmt.Sprint(running.HTTP.ProxyProtocol), fmt.Sprint(loaded.HTTP.ProxyProtocol)},
		{"http.base_path", running.HTTP.BasePath, loaded.HTTP.BasePath},
		{"http.admin.listen", running.HTTP.Admin.Listen, loaded.HTTP.Admin.Listen},
		{"http.tls", fmt.Sprint(running.HTTP.TLS.Enabled()), fmt.Sprint(loaded.HTTP.TLS.Enabled())},
		{"http.tls.acme", fmt.Sprint(running.HTTP.TLS.ACME.Enabled()), fmt.Sprint(loaded.HTTP.TLS.ACME.Enabled())},
		{"http.admin.tls", fmt.Sprint(running.HTTP.Admin.TLS.Enabled()), fmt.Sprint(loaded.HTTP.Admin.TLS.Enabled())},
		{"http.limits", fmt.Sprint(running.HTTP.Limits), fmt.Sprint(loaded.HTTP.Limits)},
		{"state", running.State.Text(), loaded.State.Text()},
		{"dead_letters", fmt.Sprint(running.DeadLetters), fmt.Sprint(loaded.DeadLetters)},
		{"log.format", running.Log.Format, loaded.Log.Format},
	} {
		if s.running != s.loaded {
			names = append(names, s.name)
		}
	}
	return names
}

// setURLs sets the URLs of the embedded servers in cfg. It fails where cfg refers to a server that does not run.
func (p embeddedServers) setURLs(cfg *config.Config) error {
	postgres, redis := cfg.Embedded()
	if postgres && !p.postgres || redis && !p.redis {
		return errors.New("the new configuration refers to an embedded server that was not started: restart the gateway")
	}
	if p.servers != nil {
		cfg.SetEmbeddedURLs(p.servers.PostgresURL(), p.servers.RedisURL())
	}
	return nil
}
