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

// redirectStandardLog sends the output of the standard package log to log, at level debug:
// net/http logs there what any peer can cause.
func redirectStandardLog(log *slog.Logger) {
	slog.SetLogLoggerLevel(slog.LevelDebug)
	slog.SetDefault(log)
}

// redaction hides the secrets of the running configuration in the log.
type redaction struct {
	redactor atomic.Pointer[options.Redactor]
}

// set replaces the configuration. Components of the previous one hide their secrets themselves.
func (r *redaction) set(cfg *config.Config) { r.redactor.Store(cfg.Redactor()) }

// redactSecrets returns log with the secrets of cfg hidden; a reload sets the next configuration.
func redactSecrets(log *slog.Logger, cfg *config.Config) (*slog.Logger, *redaction) {
	r := &redaction{}
	r.set(cfg)
	return slog.New(options.RedactLog(log.Handler(), r.redactor.Load)), r
}

// newLog returns a log to w: text on a terminal, else JSON. The level may be changed later.
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
