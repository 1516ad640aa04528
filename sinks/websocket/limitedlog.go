package websocket

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// How many lines of one kind clients may cause in the log.
const (
	lineInterval = time.Second
	lineBurst    = 5
)

// maxQuotedBytes bounds the text of a client that a log line or an answer quotes.
const maxQuotedBytes = 200

// limitedLog limits the rate of log lines that clients can cause: lineBurst at once, then one per
// lineInterval. A line has the number of lines suppressed before it.
type limitedLog struct {
	log        *slog.Logger
	limiter    *rate.Limiter
	suppressed atomic.Int64
}

func newLimitedLog(log *slog.Logger) *limitedLog {
	return &limitedLog{log: log, limiter: rate.NewLimiter(rate.Every(lineInterval), lineBurst)}
}

// write writes a line, or counts it as suppressed.
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

// quoteShort returns text of a client for log lines and answers: quoted and truncated.
func quoteShort(text string) string {
	if len(text) > maxQuotedBytes {
		return strconv.Quote(text[:maxQuotedBytes]) + "..."
	}
	return strconv.Quote(text)
}
