package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/systemd"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// run is the root command. It runs the gateway until a signal ends it.
func run(ctx context.Context, set plugin.Set, f *flags) error {
	load := func(running *config.Config) (*config.Config, error) { return f.load(set, running) }
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // first: a SIGHUP before this line ends the process
	defer signal.Stop(hangups)
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE) // a closed standard output must be an error of its sink, and not end the process
	defer signal.Stop(pipes)
	if err := f.readPipes(); err != nil {
		return err
	}
	loaded := fingerprints{config: fingerprint(f.files, f.pipes.Read)} // before they are loaded, so that a change meanwhile is noticed
	cfg, err := load(nil)
	if err != nil {
		return err
	}
	levels, err := newLogLevels(cfg)
	if err != nil {
		return err
	}
	log, redacted := redactSecrets(newLog(os.Stderr, cfg.Log.Format, levels), cfg)
	redirectStandardLog(log)
	logWarnings(log, cfg)
	ctx, stop := signals(ctx, log)
	defer stop()
	ctx, cancel := context.WithCancel(ctx) // ended when the gateway ends by itself, too
	defer cancel()
	embedded, err := startEmbedded(ctx, cfg, f.data, log)
	if err != nil {
		return err
	}
	begin := time.Now()
	sockets, err := systemd.TakeSockets()
	var g *gateway
	if err == nil {
		g, err = assemble(cfg, log)
	}
	assembled := err == nil
	if assembled {
		g.sockets = sockets
		embedded.register(g)
		g.features = f.features
		g.announce = g.announcer(embedded)
		r := newReloader(f.files, load)
		r.pipes, r.loaded, r.hangups, r.embedded, r.levels, r.redaction = f.pipes, loaded, hangups, embedded, levels, redacted
		g.reloader, g.admin.Reload, g.admin.LogLevels = r, r.request, levels
		err = g.run(ctx)
	}
	cancel()
	err = errors.Join(err, embedded.stop())
	stop() // "stopped" is the last line of the log
	if assembled {
		log.Info("stopped", "uptime", time.Since(begin).Round(time.Millisecond).String())
	}
	return err
}

// logWarnings logs the first warnings about a configuration.
func logWarnings(log *slog.Logger, cfg *config.Config) {
	for _, w := range cfg.Warnings[:min(len(cfg.Warnings), options.MaxShown)] {
		log.Warn("configuration warning", "problem", w.Error())
	}
}

// signals returns a context that ends with SIGINT or SIGTERM. A second signal exits at once. After
// stop has returned, nothing is logged about signals.
func signals(ctx context.Context, log *slog.Logger) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case s := <-ch:
			log.Info("stopping", "signal", s.String())
			cancel()
		case <-stopping:
			return
		}
		// timeout(1) and some supervisors signal the process and its group at the same time.
		select {
		case <-time.After(sameSignal):
		case <-stopping:
			return
		}
		for len(ch) > 0 {
			<-ch
		}
		log.Info("still stopping; another signal exits at once")
		select {
		case s := <-ch:
			log.Warn("exiting at once", "signal", s.String(), "effect", "events in flight are lost or redelivered")
			os.Exit(1)
		case <-stopping:
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(ch)
		cancel()
		close(stopping)
		<-stopped
	})
}

// interrupts returns a context that ends with the first SIGINT or SIGTERM, for commands that have nothing to drain.
func interrupts(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}

// sameSignal is how long after the first signal another one counts as the same.
const sameSignal = 200 * time.Millisecond
