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
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// run is the root command: it runs until a signal ends it.
func run(ctx context.Context, set plugin.Set, f *flags) error {
	load := func() (*config.Config, error) { return f.load(set) }
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // at once: until then it ends the process
	defer signal.Stop(hangups)
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE) // a closed standard output is an error of the sink that writes there, not the end of all routes
	defer signal.Stop(pipes)
	if err := f.readPipes(); err != nil {
		return err
	}
	seen := fingerprint(f.files, f.pipes) // before they are read: what changes later is noticed
	cfg, err := load()
	if err != nil {
		return err
	}
	log, level, err := newLog(os.Stderr, cfg.Log)
	if err != nil {
		return err
	}
	log, hide := newShield(log, cfg)
	bridge(log)
	logWarnings(log, cfg)
	ctx, stop := signals(ctx, log)
	defer stop()
	private, err := startPrivate(ctx, cfg, f.data)
	if err != nil {
		return err
	}
	begin := time.Now()
	g, err := assemble(cfg, log)
	ran := err == nil
	if ran {
		private.observe(g)
		g.greet = g.welcome(private)
		g.reloads = &reloads{load: load, files: f.files, pipes: f.pipes, seen: seen, hangups: hangups, private: private, level: level, shield: hide}
		err = g.run(ctx)
	}
	err = errors.Join(err, private.stop())
	stop() // nothing is logged after the next line
	if ran {
		log.Info("stopped", "uptime", time.Since(begin).Round(time.Millisecond).String())
	}
	return err
}

// logWarnings logs what looks wrong around a configuration.
func logWarnings(log *slog.Logger, cfg *config.Config) {
	for _, w := range cfg.Warnings[:min(len(cfg.Warnings), options.MaxShown)] {
		log.Warn("configuration looks wrong", "problem", w.Error())
	}
}

// signals returns a context that SIGINT or SIGTERM ends. A second one exits at once. stop
// returns when nothing is logged about signals any more.
func signals(ctx context.Context, log *slog.Logger) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case s := <-ch:
			log.Info("stopping", "signal", s.String())
			cancel()
		case <-ending:
			return
		}
		// timeout(1) and some supervisors signal the process and its group at once.
		select {
		case <-time.After(sameSignal):
		case <-ending:
			return
		}
		for len(ch) > 0 {
			<-ch
		}
		log.Info("still stopping; another signal exits at once")
		select {
		case s := <-ch:
			log.Warn("exiting at once: what waits is lost", "signal", s.String())
			os.Exit(1)
		case <-ending:
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(ch)
		cancel()
		close(ending)
		<-ended
	})
}

// sameSignal is how soon after the first signal another one is taken for the same.
const sameSignal = 200 * time.Millisecond
