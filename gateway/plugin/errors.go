package plugin

import (
	"context"
	"errors"
	"time"
)

// Permanent marks an error that no retry can mend: the events go to the dead
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

// IsPermanent says whether err, or an error it wraps, was marked by [Permanent].
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

// Disabling marks an error after which the sink is not to be written to any more, until
// somebody has looked at it: the configuration is loaded again, or the gateway started.
// The events are kept. An HTTP receiver says so by 410 Gone.
func Disabling(err error) error {
	if err == nil {
		return nil
	}
	return &disablingError{err}
}

type disablingError struct{ err error }

func (e *disablingError) Error() string { return e.err.Error() }
func (e *disablingError) Unwrap() error { return e.err }

// IsDisabling says whether err, or an error it wraps, was marked by [Disabling].
func IsDisabling(err error) bool {
	var d *disablingError
	return errors.As(err, &d)
}

// RetryAfter marks an error whose cause asked for a pause of d before the next
// attempt. The router waits at least that long, up to its own cap.
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

// RetryDelay returns the pause that err, or an error it wraps, asks for; 0
// where it asks for none.
func RetryDelay(err error) time.Duration {
	var r *retryAfterError
	if errors.As(err, &r) {
		return r.after
	}
	return 0
}

// Unavailable marks an error that says that a server of one's own is not reached, or takes nothing
// from anybody: it has no room, is read-only, or denies the right. No event is to blame.
// Unavailable(nil) is nil.
//
// Returned by Write or Open, it stops all writes at once. One write is tried again and
// again, with pauses of at most a second, and no attempt of an event counts. Returned by
// Run, it starts the source again after at most a second. Returned by Apply or ApplyBatch, it gives
// the events back to a source that can replay, in place of parking them.
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

// Fenced marks an error of a write that was refused because a leader of a later term has
// written: known is that term. The events are parked. The router gives up the leadership
// under which they were captured, and reports a gap.
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

// FencedBy returns the later term where err, or an error it wraps, was marked by [Fenced].
func FencedBy(err error) (known int64, ok bool) {
	var f *fencedError
	if errors.As(err, &f) {
		return f.known, true
	}
	return 0, false
}

// UnlessDone is what a source's Run returns: nil where ctx has ended, whatever went
// wrong because of that, else err.
func UnlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// OptionError is returned by a type's build function where one option is to
// blame, so that the configuration's reader is sent to its line.
type OptionError struct {
	Option string // path below the component: "url", "headers.X-Shop"
	Err    error
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }
func (e *OptionError) Unwrap() error { return e.Err }
