package plugin

import (
	"context"
	"net/http"
	"time"
)

// ReportsAttempts is the capability of a sink that reports each attempt to deliver events, such as a request, by
// [ReportAttempt]. The router keeps the latest attempts, and operators may look at them and send their events again.
const ReportsAttempts Capability = "reports attempts"

// AttemptReport is an attempt to deliver the events of one Write, whatever its result was.
type AttemptReport struct {
	ID     string    // as of [Attempt]
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
	// Describe is called when an operator looks, in any goroutine, also after the sink was closed. So a report costs little. It
	// must hide secrets that it knows. The router hides those of the options, too, and headers that usually have some.
	Describe() AttemptDescription
}

// AttemptDescription is what operators see of an attempt.
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

// attemptsKey is the key of the function that takes reports in a context.
type attemptsKey struct{}

// WithAttempts returns a context for a Write whose attempts are reported to take. The router calls it. take may be called
// concurrently, and must not block.
func WithAttempts(ctx context.Context, take func(AttemptReport)) context.Context {
	return context.WithValue(ctx, attemptsKey{}, take)
}

// ReportAttempt reports an attempt of a Write, with the context of Write and before Write returns. A sink whose type has the capability
// [ReportsAttempts] calls it for each attempt.
func ReportAttempt(ctx context.Context, a AttemptReport) {
	if take, ok := ctx.Value(attemptsKey{}).(func(AttemptReport)); ok {
		take(a)
	}
}
