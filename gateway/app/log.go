package app

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"

	"eventgateway/gateway/config"
)

// bridge has what libraries log by the standard package log go where all else goes, and only
// where somebody wants to debug: net/http says there what any peer makes it say.
func bridge(log *slog.Logger) {
	slog.SetLogLoggerLevel(slog.LevelDebug)
	slog.SetDefault(log)
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
