// Package plugin is the contract between the router and its plugins: sources, transforms and sinks. A plugin
// needs this package, package event, and package options for its options.
//
// The router does these things for all plugins, so a plugin must not: reconnect in a loop, retry, batch by a
// timer, open a port, or log an error that it returns. A plugin starts no goroutine by a go statement, because a
// panic there ends the process. It uses [Go] if it waits for the goroutine, else the Go of its [Env].
package plugin

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
)

// Source emits events.
type Source interface {
	// Run connects and emits until ctx ends, and then returns nil. After an error, such as a lost
	// connection, the router calls Run again after a backoff. Run is never called concurrently.
	Run(ctx context.Context, out Output) error
}

// Output is where a source emits. It is safe for concurrent use. If several goroutines call Emit, each
// batch is emitted as a whole.
type Output interface {
	// Ready reports that the source is connected: it emits all changes from now on. Call it once in each Run.
	Ready()
	// Emit emits a batch. It blocks only for backpressure, and its error
	// is ctx's. Once Emit is called, b.Ack will be settled exactly once,
	// whatever Emit returns, and b.Events belongs to the router until then.
	Emit(ctx context.Context, b event.Batch) error
	// TryEmit is for a source of the capability [AnswersSenders], and takes the place of Emit there. It takes all batches if the queues of the sinks
	// have room for them, and returns nil: then each b.Ack will be settled exactly once, and the events belong to the router until then. Otherwise it takes
	// none and returns an error: [ErrNoRoom], [ErrNotRunning], or one that [IsPermanent] accepts if no retry can help. It waits for no room; it
	// takes as long as the transforms of the routes. A batch that has lost the room to another source meanwhile is nacked with ErrNoRoom.
	// It may be called in any goroutine from the begin of Run on, also after Run has returned.
	TryEmit(batches ...event.Batch) error
	// Gap reports that events may be missing before the next emitted one.
	// It is counted, shown in the status, and put into the queues of the sinks. For a source that
	// cannot replay, the router reports a gap at Ready if the source has not, because events
	// before the Run may be missing.
	Gap(reason string)
	// ForwardGap puts a gap into the queues of the sinks that was noticed elsewhere, for example by
	// the gateway that publishes what this source reads. It does not count as a gap of this
	// source, because it was counted where it was noticed.
	ForwardGap(g Gap)
	// ReportError counts a failure of a part of the source, such as one table, while the rest goes on. It
	// is shown in the status of the source, which stays up. If events may be missing, report a gap, too.
	ReportError(err error)
	// SetStalled reports that the source reads no more because of events in flight, and the reason; ""
	// reports that it reads again. It may be called repeatedly. It is shown in the status and logged.
	SetStalled(reason string)
}

// Transform changes, drops or multiplies events. There is one instance per
// route, and it is never called concurrently.
type Transform interface {
	// Apply calls emit for each event that it makes of e: none, one or many, which may be e itself. It calls
	// emit in its own goroutine and before it returns. It must not change e or its bytes;
	// [event.Event.WithData] makes a copy. If Apply returns an error or emits nil, no emitted event is
	// delivered, and on_error decides about e: by default, it is parked as a dead letter.
	Apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error
}

// Preparer is implemented by a transform that works faster on several events at once, such as one that asks a server or a process.
// Prepare is called with all events that a source has emitted at once and that have reached the transform, if there are several. Then
// Apply is called with each of them, in this order; after an error marked by [Unavailable] it is not called with the others.
// Prepare keeps what Apply needs, also its errors. Neither is called concurrently.
type Preparer interface {
	Prepare(ctx context.Context, events []*event.Event)
}

// Hider is implemented by a transform that hides values of a JSON object, such as personal data. A tap then hides these values
// also in events before the transform. Hide returns a payload with each value that Apply would hide
// replaced by [Hidden]. It is called in any goroutine, also while Apply runs, and with payloads that do not reach Apply.
type Hider interface {
	Hide(payload []byte) ([]byte, error)
}

// Hidden is the JSON that stands for a value that a [Hider] hides.
const Hidden = `"***"`

// Sink delivers events.
type Sink interface {
	// Write returns nil when all events are delivered. It is called concurrently
	// only if the type is [Concurrent] and several workers are configured. Write must not use the slice
	// after it has returned. After an error, all events are retried with backoff; [Failed] and [Delivered]
	// restrict it to some events, and [Permanent], [RetryAfter] and [Unavailable] change the retries.
	Write(ctx context.Context, events []*event.Event) error
}

// Opener is implemented by a sink that connects before the first Write. Open is retried with
// backoff until it returns nil; a [Permanent] or [Disabling] error disables the sink. A reload
// takes effect only if the Open of each new sink succeeds. After an error of Write that is marked
// by [Unavailable], Open is called again before the next Write. It is never called concurrently with Write.
type Opener interface {
	Open(ctx context.Context) error
}

// Pinger is implemented by a sink that can check its connection. Ping is called when nothing was written
// for half a second, so that an outage shows although there are no events.
// Its error counts like one of Write. Ping is called concurrently with Write only
// if the type is [Concurrent].
type Pinger interface {
	Ping(ctx context.Context) error
}

// Closer is implemented by a source, sink or transform that has resources to release. Close is called
// once: after the last Run, Write or Apply, or if the plugin was built and
// never used. It should flush its buffers until ctx ends. A source stores in Close what was
// acked after its last Run; events that are acked later are redelivered.
type Closer interface {
	Close(ctx context.Context) error
}

// AttemptStore is implemented by the options of a source that stores failed attempts, and emits later events
// while earlier ones wait for a retry. The source gets failed attempts from an inflight.MessageTracker. When it
// emits an event again after a restart, it sets [event.Event.Attempts].
type AttemptStore interface {
	// StoresAttempts reports whether the source does so with these options.
	StoresAttempts() bool
}

// Env is what a plugin instance gets from the gateway.
type Env struct {
	// Name is the component's name in the configuration.
	Name string
	// Log has the component's name as an attribute.
	Log *slog.Logger
	// Metrics adds the component's label. The metrics are removed with the component.
	Metrics prometheus.Registerer
	// HTTP mounts handlers on the gateway's shared listener. It must be used only while the plugin is built.
	HTTP Mounter
	// Go runs f in a goroutine. A panic of f is counted and logged, and does not end the process. ctx ends
	// before Close is called; Close must wait for f if it needs its result. If Run or Write waits for the
	// goroutine, use the function [Go], which passes on its error or its panic.
	Go func(f func(ctx context.Context))
	// Now returns the time, and NewID a unique ID, for values that are in events or decide
	// about them. `gateway test` fixes both.
	Now   func() time.Time
	NewID func() string
	// State stores small values of the component durably; see [State]. It is never nil. It works if the type has the
	// capability [KeepsState]. `gateway test` has an empty one for each test.
	State State
	// DryRun is set by `gateway test` and the dry run of a dead letter: the plugin must not change anything outside the gateway.
	DryRun bool
}

// Mounter mounts handlers on the shared listener. Patterns are those of
// [http.ServeMux]. Both methods return an error if the pattern is in use or
// malformed. The options http.limits bound the time of each request and its answer. A handler that
// needs longer sets deadlines of its own by [http.ResponseController]. A handler that hijacks
// the connection has no deadlines. A handler that reads a body must limit its size itself.
type Mounter interface {
	// Handle mounts h for ordinary requests.
	Handle(pattern string, h http.Handler) error
	// HandleUpgrade mounts h for requests that ask to upgrade to a WebSocket, for
	// server-sent events, or for a snapshot, a GET with the query parameter snapshot. So a page and a stream can
	// share a path.
	HandleUpgrade(pattern string, h http.Handler) error
}

// TokenHandler is implemented by a handler of [Mounter.HandleUpgrade] whose clients may need a token. The status shows it, so that a page
// asks for a token before it connects.
type TokenHandler interface {
	// NeedsToken reports whether a client without a token is refused.
	NeedsToken() bool
}

// SnapshotHandler is implemented by a handler of [Mounter.HandleUpgrade] that answers requests for snapshots. The status shows their names,
// so that a page can offer the rows that exist.
type SnapshotHandler interface {
	// Snapshots returns the values of the query parameter snapshot that it answers; empty: none.
	Snapshots() []string
}
