package app

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"

	"eventgateway/gateway/config"
)

// newLog logs to w: text for people on a terminal, JSON elsewhere.
func newLog(w *os.File, c config.Log) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("log level %q is none of debug, info, warn and error", c.Level)
	}
	terminal := isTerminal(w)
	if c.Format == "text" || c.Format == "auto" && terminal {
		return slog.New(tint.NewTextHandler(w, &tint.Options{
			Level: level, TimeFormat: "15:04:05.000", NoColor: !terminal || os.Getenv("NO_COLOR") != "",
		})), nil
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
