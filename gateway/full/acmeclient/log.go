package acmeclient

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"go.uber.org/zap/zapcore"
)

// logCore passes the log of certmagic on at the level debug: the client itself logs what matters. It leaves out what certmagic
// logs at debug, which has headers of requests.
type logCore struct {
	log    *slog.Logger
	fields []zapcore.Field
}

// Enabled is part of [zapcore.Core].
func (c *logCore) Enabled(l zapcore.Level) bool {
	return l >= zapcore.InfoLevel && c.log.Enabled(context.Background(), slog.LevelDebug)
}

// With is part of [zapcore.Core].
func (c *logCore) With(fields []zapcore.Field) zapcore.Core {
	return &logCore{c.log, append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

// Check is part of [zapcore.Core].
func (c *logCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

// Write is part of [zapcore.Core].
func (c *logCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range c.fields {
		f.AddTo(values)
	}
	for _, f := range fields {
		f.AddTo(values)
	}
	attrs := make([]any, 0, 2*len(values.Fields))
	for _, name := range slices.Sorted(maps.Keys(values.Fields)) {
		attrs = append(attrs, name, values.Fields[name])
	}
	c.log.Debug(e.Message, attrs...)
	return nil
}

// Sync is part of [zapcore.Core].
func (c *logCore) Sync() error { return nil }
