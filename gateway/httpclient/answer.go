package httpclient

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Bounds of reading a response.
const (
	// MaxExcerpt is the most bytes that [Excerpt] and [Printable] return.
	MaxExcerpt = 1 << 10
	// maxDrained is how many bytes of a body are read in all, so that the connection can be reused.
	maxDrained = 64 << 10
	// MaxDrainTime bounds the time of reading a body.
	MaxDrainTime = time.Second
)

// Excerpt returns the first [MaxExcerpt] bytes of a response's body, and closes it. It reads up to 64 KiB, and for
// up to [MaxDrainTime], so that the connection can be reused. A longer or slower body closes the connection.
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

// RetryAfter parses the value of the header Retry-After, seconds or a date (RFC 9110, section 10.2.3). It returns
// 0 for an empty or malformed value and for a time in the past, and at most 34 years. A sink passes the result
// to plugin.RetryAfter.
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
