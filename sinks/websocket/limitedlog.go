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
	lineInterval = time.Second
	lineBurst    = 5
)

// shownBytes bounds what a log line or an answer repeats of what a client has sent.
const maxQuotedBytes = 200

// limitedLog writes lines that strangers can cause as often as they like: few at once, and
// then one a second, which says how many were left out since the one before.
type limitedLog struct {
	log        *slog.Logger
	limiter    *rate.Limiter
	suppressed atomic.Int64
}

func newLimitedLog(log *slog.Logger) *limitedLog {
	return &limitedLog{log: log, limiter: rate.NewLimiter(rate.Every(lineInterval), lineBurst)}
}

// write writes a line, or counts it.
func (l *limitedLog) write(level slog.Level, text string, attrs ...any) {
	if !l.limiter.Allow() {
		l.suppressed.Add(1)
		return
	}
	if n := l.suppressed.Swap(0); n > 0 {
		attrs = append(attrs, "suppressed", n)
	}
	l.log.Log(context.Background(), level, text, attrs...)
}

// quoteShort returns text of a client as log lines and answers repeat it: quoted, and cut.
func quoteShort(text string) string {
	if len(text) > maxQuotedBytes {
		return strconv.Quote(text[:maxQuotedBytes]) + "..."
	}
	return strconv.Quote(text)
}
