package websocket

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// How many log lines of one kind strangers may cause.
const (
	linesEvery  = time.Second
	linesAtOnce = 5
)

// shownBytes bounds what a log line or an answer repeats of what a client has sent.
const shownBytes = 200

// sparingLog writes lines that strangers can cause as often as they like: few at once, and
// then one a second, which says how many were left out since the one before.
type sparingLog struct {
	log     *slog.Logger
	lines   *rate.Limiter
	leftOut atomic.Int64
}

func newSparingLog(log *slog.Logger) *sparingLog {
	return &sparingLog{log: log, lines: rate.NewLimiter(rate.Every(linesEvery), linesAtOnce)}
}

// write writes a line, or counts it.
func (l *sparingLog) write(level slog.Level, text string, attrs ...any) {
	if !l.lines.Allow() {
		l.leftOut.Add(1)
		return
	}
	if n := l.leftOut.Swap(0); n > 0 {
		attrs = append(attrs, "suppressed", n)
	}
	l.log.Log(context.Background(), level, text, attrs...)
}

// shown returns text of a client as log lines and answers repeat it: quoted, and cut.
func shown(text string) string {
	if len(text) > shownBytes {
		return strconv.Quote(text[:shownBytes]) + "..."
	}
	return strconv.Quote(text)
}
