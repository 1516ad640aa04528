package websocket

import (
	"strconv"

	"eventgateway/gateway/logsample"
)

// lineBurst is how many lines of one kind clients may cause in the log at once; then one per second.
const lineBurst = 5

// newSampler returns a sampler of log lines that clients can cause.
func newSampler() *logsample.Sampler { return &logsample.Sampler{Burst: lineBurst} }

// maxQuotedBytes bounds the text of a client that a log line or an answer quotes.
const maxQuotedBytes = 200

// quoteShort returns text of a client for log lines and answers: quoted and truncated.
func quoteShort(text string) string {
	if len(text) > maxQuotedBytes {
		return strconv.Quote(text[:maxQuotedBytes]) + "..."
	}
	return strconv.Quote(text)
}
