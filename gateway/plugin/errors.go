package plugin

import (
	"context"
	"errors"
	"time"
)

// Permanent marks an error that no retry can resolve: the events are parked as dead
// letters at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// IsPermanent reports whether err, or an error it wraps, was marked by [Permanent].
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

// Disabling marks an error that disables the sink: it is not written to any more until an operator
// reloads the configuration or restarts the gateway. Its events wait in the queue. The webhook sink uses it
// for the answer 410 Gone. Disabling(nil) is nil.
func Disabling(err error) error {
	if err == nil {
		return nil
	}
	return &disablingError{err}
}

type disablingError struct{ err error }

func (e *disablingError) Error() string { return e.err.Error() }
func (e *disablingError) Unwrap() error { return e.err }

// IsDisabling reports whether err, or an error it wraps, was marked by [Disabling].
func IsDisabling(err error) bool {
	var d *disablingError
	return errors.As(err, &d)
}

// RetryAfter marks an error of a server that asks for a pause of d before the next
// attempt. The router waits at least that long, up to its own limit. RetryAfter(nil, d) is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err, d}
}

type retryAfterError struct {
	err   error
	after time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// RetryDelay returns the pause by which err, or an error it wraps, was marked by [RetryAfter]; 0
// if there is none.
func RetryDelay(err error) time.Duration {
	var r *retryAfterError
	if errors.As(err, &r) {
		return r.after
	}
	return 0
}

// Unavailable marks an error of the plugin's own server that no event causes: the server is not reached,
// has no space, is read-only, or denies a right. Unavailable(nil) is nil.
//
// Returned by Write or Open, it stops all writes at once. One write is retried
// with pauses of at most a second, and does not count as an attempt of its events. Returned by
// Run, it restarts the source after at most a second. Returned by Apply or ApplyBatch, the events are
// returned to a source that can replay, instead of being parked.
func Unavailable(err error) error {
	if err == nil {
		return nil
	}
	return &awayError{err}
}

type awayError struct{ err error }

func (e *awayError) Error() string { return e.err.Error() }
func (e *awayError) Unwrap() error { return e.err }

// IsUnavailable reports whether err, or an error it wraps, was marked by [Unavailable].
func IsUnavailable(err error) bool {
	var a *awayError
	return errors.As(err, &a)
}

// Fenced marks an error of a write that the receiver has refused because it has seen known, a later
// term. The events are parked as dead letters. The router resigns the leadership under which they were
// captured, and reports a gap. Fenced(nil, known) is nil.
func Fenced(err error, known int64) error {
	if err == nil {
		return nil
	}
	return &fencedError{Permanent(err), known}
}

type fencedError struct {
	err   error
	known int64
}

func (e *fencedError) Error() string { return e.err.Error() }
func (e *fencedError) Unwrap() error { return e.err }

// FencedBy returns the later term if err, or an error it wraps, was marked by [Fenced].
func FencedBy(err error) (known int64, ok bool) {
	var f *fencedError
	if errors.As(err, &f) {
		return f.known, true
	}
	return 0, false
}

// The errors of [Output].TryEmit, after which the sender should send its events again a little later. Both are marked by [Unavailable].
var (
	ErrNoRoom     = Unavailable(errors.New("a sink is slower than its events arrive, and its queue is full"))
	ErrNotRunning = Unavailable(errors.New("the source is stopping, or has not started yet"))
)

// UnlessDone returns nil if ctx has ended, else err. A source returns its result from Run, because the end of
// ctx may have caused err.
func UnlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// OptionError is returned by the build function of a type if one option is wrong. The gateway reports it with
// the line of the option.
type OptionError struct {
	Option string // path below the component: "url", "headers.X-Shop"
	Err    error
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }
func (e *OptionError) Unwrap() error { return e.Err }
