package app

import (
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

// newLog returns a log to w in a format: text on a terminal, else JSON. The levels may be changed later.
func newLog(w *os.File, format string, levels *logLevels) *slog.Logger {
	terminal := isTerminal(w)
	var all slog.Handler = slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
	if format == "text" || format == "auto" && terminal {
		all = tint.NewTextHandler(w, &tint.Options{
			Level: slog.LevelDebug, TimeFormat: "15:04:05.000", NoColor: !terminal || os.Getenv("NO_COLOR") != "",
		})
	}
	return slog.New(&leveled{Handler: all, levels: levels})
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
