package httpclient

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Bounds of what is read of an answer.
const (
	// MaxExcerpt is how many bytes [Excerpt] and [Printable] return at most.
	MaxExcerpt = 1 << 10
	// maxDrained is how much of a body is read in all, and MaxDraining for how long, so that
	// the connection can be used again.
	maxDrained   = 64 << 10
	MaxDrainTime = time.Second
)

// Excerpt returns how the body of a response begins, and closes it. A body that is long, or
// takes long, costs the connection.
func Excerpt(resp *http.Response) []byte {
	defer resp.Body.Close()
	if resp.ContentLength == 0 {
		return nil
	}
	enough := time.AfterFunc(MaxDrainTime, func() { resp.Body.Close() })
	defer enough.Stop()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, MaxExcerpt))
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrained)
	return body
}

// RetryAfter reads the header of that name, seconds or a date (RFC 9110, section 10.2.3). It returns 0 for
// none, for one that is malformed, and for a time that has passed, and 34 years at most. A sink marks its
// error with it, by plugin.RetryAfter.
func RetryAfter(value string, now time.Time) time.Duration {
	n, err := strconv.Atoi(value)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then n is the largest, or the smallest
		return time.Duration(min(max(n, 0), 1<<30)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
