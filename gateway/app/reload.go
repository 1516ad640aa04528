package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"eventgateway/gateway/internal/config"
)

// reloads is what a gateway needs to take a new configuration while it runs.
type reloads struct {
	load    func() (*config.Config, error)
	files   []string
	pipes   config.Pipes      // of those files, read at the start
	reading attempt           // of the files
	seen    [sha256.Size]byte // their content when they were loaded last
	hangups <-chan os.Signal
	private private
	level   *slog.LevelVar
	shield  *shield
}

// reloadTimeout bounds the opening of new sinks.
const reloadTimeout = 15 * time.Second

// reload loads the configuration again and lets it take over. Where anything is
// wrong with it, nothing changes.
func (g *gateway) reload(ctx context.Context, why string) {
	restart, err := g.tryReload(ctx)
	g.admin.Reloaded(err, restart)
	if err != nil {
		g.log.Error("the new configuration is not used: the old one stays", "why", why, "error", err)
		return
	}
	g.log.Info("the new configuration runs", "why", why)
	logWarnings(g.log, g.cfg)
	if len(restart) > 0 {
		g.log.Warn("restart needed: these settings were changed, and count only from the next start", "settings", strings.Join(restart, ", "))
	}
}

func (g *gateway) tryReload(ctx context.Context) (restart []string, err error) {
	var cfg *config.Config
	var loadErr error
	if err := g.reloads.reading.do(ctx, func() { cfg, loadErr = g.reloads.load() }); err != nil {
		return nil, err
	}
	if loadErr != nil {
		return nil, loadErr
	}
	if err := g.reloads.private.lend(cfg); err != nil {
		return nil, err
	}
	b, err := g.build(cfg)
	if err != nil {
		return nil, err
	}
	if b.public > 0 && len(g.servers) == 0 {
		b.plan.Discard()
		return nil, errors.New("it mounts handlers, and nothing listens, since the port was taken at the start: restart needed")
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	if err := g.router.Reload(ctx, b.plan, func() { g.show(b) }); err != nil {
		return nil, err
	}
	if g.reloads.shield != nil {
		g.reloads.shield.set(cfg)
	}
	restart = needRestart(g.cfg, cfg)
	g.admin.SetToken(cfg.HTTP.Admin.Token)
	if len(g.servers) > 0 {
		g.unlock()
	}
	if level, err := logLevel(cfg.Log); err == nil {
		g.reloads.level.Set(level)
	}
	// What counts only from the next start stays as it is for the next comparison.
	cfg.HTTP.Listen, cfg.HTTP.Admin.Listen, cfg.HTTP.Limits, cfg.Log.Format = g.cfg.HTTP.Listen, g.cfg.HTTP.Admin.Listen, g.cfg.HTTP.Limits, g.cfg.Log.Format
	g.cfg = cfg
	return restart, nil
}

// needRestart lists the settings that differ and cannot change while it runs.
func needRestart(old, fresh *config.Config) (names []string) {
	for _, s := range []struct{ name, old, fresh string }{
		{"http.listen", old.HTTP.Listen, fresh.HTTP.Listen},
		{"http.base_path", old.HTTP.BasePath, fresh.HTTP.BasePath},
		{"http.admin.listen", old.HTTP.Admin.Listen, fresh.HTTP.Admin.Listen},
		{"http.limits", fmt.Sprint(old.HTTP.Limits), fmt.Sprint(fresh.HTTP.Limits)},
		{"log.format", old.Log.Format, fresh.Log.Format},
	} {
		if s.old != s.fresh {
			names = append(names, s.name)
		}
	}
	return names
}

// lend puts the private servers into a configuration that asks for them.
func (p private) lend(cfg *config.Config) error {
	postgres, redis := cfg.Private()
	if postgres && !p.postgres || redis && !p.redis {
		return fmt.Errorf("it asks for a private server that was not started: restart needed")
	}
	if p.servers != nil {
		cfg.SetPrivate(p.servers.PostgresURL(), p.servers.RedisURL())
	}
	return nil
}
