package app

import (
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/lmittmann/tint"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/options"
)

// bridge has what libraries log by the standard package log go where all else goes, and only
// where somebody wants to debug: net/http says there what any peer makes it say.
func bridge(log *slog.Logger) {
	slog.SetLogLoggerLevel(slog.LevelDebug)
	slog.SetDefault(log)
}

// shield keeps the secrets of the configuration that runs out of the log.
type shield struct {
	now atomic.Pointer[options.Redactor]
}

// set notes another configuration. What the one before has made hides its own secrets.
func (s *shield) set(cfg *config.Config) { s.now.Store(cfg.Redactor()) }

// newShield returns a log like log, and what hides the secrets of cfg in it.
func newShield(log *slog.Logger, cfg *config.Config) (*slog.Logger, *shield) {
	s := &shield{}
	s.set(cfg)
	return slog.New(options.RedactLog(log.Handler(), s.now.Load)), s
}

// newLog logs to w: text for people on a terminal, JSON elsewhere. The level may be
// changed later.
func newLog(w *os.File, c config.Log) (*slog.Logger, *slog.LevelVar, error) {
	level, err := logLevel(c)
	if err != nil {
		return nil, nil, err
	}
	least := &slog.LevelVar{}
	least.Set(level)
	terminal := isTerminal(w)
	if c.Format == "text" || c.Format == "auto" && terminal {
		return slog.New(tint.NewTextHandler(w, &tint.Options{
			Level: least, TimeFormat: "15:04:05.000", NoColor: !terminal || os.Getenv("NO_COLOR") != "",
		})), least, nil
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: least})), least, nil
}

func logLevel(c config.Log) (level slog.Level, err error) {
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return 0, fmt.Errorf("log level %q is none of debug, info, warn and error", c.Level)
	}
	return level, nil
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
