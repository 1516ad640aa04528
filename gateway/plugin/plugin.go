// Package plugin is the contract between the router and everything that can be
// plugged into it. A stranger's plugin needs this package, package event, and
// for its options package options; nothing else.
//
// What a plugin never does, because the router does it once for all: loop to
// reconnect, retry, batch by timer, open a port, log an error and return it too.
// It starts no goroutine by a go statement, in which a panic ends the process, but by
// [Go] where it waits for it, or by the Go of its [Env].
package plugin

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
)

// Source brings events in.
type Source interface {
	// Run connects and emits until ctx ends, and then returns nil. An error
	// means "lost it": the router calls Run again after a backoff. Run is
	// never called twice at the same time.
	Run(ctx context.Context, out Output) error
}

// Output is the router's side of a source. It is safe for concurrent use; where several
// goroutines emit, the order of their batches is the one in which Emit takes them.
type Output interface {
	// Ready says that the source is connected: what happens from now on is
	// seen. Call it once in each Run.
	Ready()
	// Emit hands a batch over. It blocks for backpressure only, and its error
	// is ctx's. Once Emit is called, b.Ack will be settled exactly once,
	// whatever Emit returns, and b.Events is the router's until then.
	Emit(ctx context.Context, b event.Batch) error
	// Gap says that events may have been missed before the next one emitted.
	// It is counted, shown, and passed on to the sinks in order. Where a source that
	// cannot replay says nothing before Ready, the router does: it begins, or begins anew,
	// and what came before may have been missed.
	Gap(reason string)
	// ForwardGap passes on to the sinks, in order, a gap that was noticed elsewhere, such as by
	// the gateway that publishes what this source reads. It is not counted as a gap of this
	// source: it was counted where it was noticed.
	ForwardGap(g Gap)
	// ReportError counts a failure of a part of the source, such as a table that nothing captures any more,
	// while the rest goes on, and shows it in the status of the source, which stays up. It is no
	// gap: where events may be missing, report a gap, too.
	ReportError(err error)
	// SetStalled says that the source reads no more, because of events that are not settled, and why. It
	// may be called again and again. "" says that it goes on. It is shown and logged.
	SetStalled(reason string)
}

// Transform changes, drops or multiplies events. There is one instance per
// route, and it is never called concurrently.
type Transform interface {
	// Apply calls emit with what becomes of e, in its own goroutine and before it returns: nothing,
	// one event or many, e itself among them. It must not change e or its bytes; [event.Event.With] makes a copy.
	// Where Apply returns an error nothing of e goes on, and e is parked as a dead letter. The
	// same happens where it emits nil.
	Apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error
}

// Sink takes events out.
type Sink interface {
	// Write returns nil when all events are delivered. It is never called
	// concurrently, but where the type is [Concurrent] and several workers are
	// configured. The slice is the router's again when Write returns.
	// Errors: any error is retried with backoff, for all events; [Failed] and [Delivered] say which
	// events it holds for, and [Permanent], [RetryAfter] and [Unavailable] say more.
	Write(ctx context.Context, events []*event.Event) error
}

// Opener is a sink that connects before the first Write. Open is retried with
// backoff until it returns nil; a [Permanent] or [Disabling] error disables the sink. A configuration
// that is loaded while the gateway runs takes effect only where the Open of each new sink
// succeeds. After an error that is marked by [Unavailable], Open is called again before the next Write, also
// where it has succeeded before. It is never called at the same time as Write.
type Opener interface {
	Open(ctx context.Context) error
}

// Pinger is a sink that can ask its server whether it is there. Where nothing was written
// for half a second, Ping is called: so it shows that the server is away although no event comes.
// Its error counts as one of Write. Ping is never called at the same time as Write, but
// where the type is [Concurrent].
type Pinger interface {
	Ping(ctx context.Context) error
}

// Closer is a source, sink or transform that holds something. Close is called
// once: after the last Run, Write or Apply, or where the plugin was built and
// never used. It should flush what is on its way until ctx ends. A source stores there what was
// settled after its last Run; what is settled later comes again.
type Closer interface {
	Close(ctx context.Context) error
}

// AttemptStore is the options of a source that can remember for days how the delivery of an
// event goes, and bring others meanwhile. It takes failed attempts from an inflight.MessageTracker, and says
// in [event.Event.Attempts] what it has kept of them, when it emits the event again after a restart.
type AttemptStore interface {
	StoresAttempts() bool
}

// Env is what a plugin instance gets from the gateway.
type Env struct {
	// Name is the component's name in the configuration.
	Name string
	// Log carries the component's name already.
	Log *slog.Logger
	// Metrics adds the component's label; metrics go when the component goes.
	Metrics prometheus.Registerer
	// HTTP mounts handlers on the gateway's shared listener, while the plugin is built and not
	// later.
	HTTP Mounter
	// Go runs f in a goroutine. A panic of f is counted and logged; in a goroutine that the plugin
	// starts by a go statement it ends the process. ctx ends when the plugin is about to be closed, and
	// Close waits for what it needs. Where Run or Write waits for the goroutine, the function
	// [Go] hands its error over, or its panic.
	Go func(f func(ctx context.Context))
	// Now and NewID are the clock, and a maker of unique ids, of what shows in events
	// or decides about them: `gateway test` fixes both.
	Now   func() time.Time
	NewID func() string
	// DryRun says that nothing outside may be changed: it is `gateway test`.
	DryRun bool
}

// Mounter mounts handlers on the shared listener. Patterns are those of
// [http.ServeMux]. Both methods return an error where the pattern is taken or
// malformed. The times of http.limits bound each request and its answer; a handler that
// needs longer sets deadlines of its own by [http.ResponseController], and one that hijacks
// the connection has none. A handler that reads a body bounds its size itself.
type Mounter interface {
	// Handle mounts h for ordinary requests.
	Handle(pattern string, h http.Handler) error
	// HandleUpgrade mounts h for requests that ask to upgrade to a WebSocket, or for
	// server-sent events, so that a page and a stream can share a path.
	HandleUpgrade(pattern string, h http.Handler) error
}
