package plugin

import (
	"context"
	"net/http"
	"time"
)

// ReportsAttempts is the capability of a sink that reports each attempt to deliver events, such as a request, by
// [ReportAttempt]. The router stores the latest attempts. Operators may read them, and send their events again.
const ReportsAttempts Capability = "reports attempts"

// AttemptReport describes an attempt to deliver the events of one Write, successful or not.
type AttemptReport struct {
	ID     string    // as in [Attempt]
	Began  time.Time // when the sink began to send
	Took   time.Duration
	Status int // of the answer; 0: there was none
	// Exchange is what was sent and received; nil if nothing was.
	Exchange AttemptExchange
	// Size is how much memory Exchange needs, in bytes. Payloads of the events do not count.
	Size int
}

// AttemptExchange describes what was sent and received.
type AttemptExchange interface {
	// Describe returns the description. The router calls it only when an operator reads the attempt, so a report costs little. It
	// may call it in any goroutine, also after the sink was closed. Describe must hide secrets that only the plugin knows. The router
	// hides the secrets of the options, and headers that usually have secrets.
	Describe() AttemptDescription
}

// AttemptDescription describes what an attempt has sent and received.
type AttemptDescription struct {
	Target          string // what was called, such as the method and the URL
	Request, Answer AttemptMessage
}

// AttemptMessage is a request or an answer.
type AttemptMessage struct {
	Header http.Header
	Body   []byte // or the beginning of it
	Bytes  int    // length of the whole body; -1 if it is not known
}

// attemptsKey is the key of the report function in a context.
type attemptsKey struct{}

// WithAttempts returns a context for a Write, by which [ReportAttempt] calls report. The router calls it. report must not block, and is
// called concurrently.
func WithAttempts(ctx context.Context, report func(AttemptReport)) context.Context {
	return context.WithValue(ctx, attemptsKey{}, report)
}

// ReportAttempt reports an attempt of a Write, with the context of Write and before Write returns. A sink whose type has the capability
// [ReportsAttempts] calls it for each attempt.
func ReportAttempt(ctx context.Context, a AttemptReport) {
	if report, ok := ctx.Value(attemptsKey{}).(func(AttemptReport)); ok {
		report(a)
	}
}
