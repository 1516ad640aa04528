package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// Away marks an error that says that a server of one's own is not reached, or takes nothing
// from anybody: it has no room, is read-only, or denies the right. No event is to blame.
// Away(nil) is nil.
//
// Returned by Write or Open, it stops all writes at once. One write is tried again and
// again, with pauses of at most a second, and no attempt of an event counts. Returned by
// Run, it starts the source again after at most a second. Returned by Apply, it gives the
// event back to a source that can replay, in place of parking it.
func Away(err error) error {
	if err == nil {
		return nil
	}
	return &awayError{err}
}

type awayError struct{ err error }

func (e *awayError) Error() string { return e.err.Error() }
func (e *awayError) Unwrap() error { return e.err }

// IsAway reports whether err, or an error it wraps, was marked by [Away].
func IsAway(err error) bool {
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

// Failed makes the error that Write returns where single events have failed, and the sink may
// well take others. failed maps the index of an event, in the slice given to Write, to its error;
// nil, or no entry, says that it was delivered. Only the failed ones are tried again, each
// after a pause of its own, and only the later ones of their keys wait for them. An error may be
// marked by [Permanent] or [RetryAfter]. One that is marked by [Away] says that the sink has failed
// before it took this event: such events are written again together, once the sink works.
// Failed returns nil where no event has failed.
//
// An index that is none of the batch makes the whole write fail.
func Failed(failed map[int]error) error {
	p := &partialError{failed: make(map[int]error, len(failed))}
	for i, err := range failed {
		if err != nil {
			p.failed[i] = err
		}
	}
	if len(p.failed) == 0 {
		return nil
	}
	return p
}

// Delivered makes the error that Write returns where the first n events were delivered, and err
// has kept it from all others. Delivered(n, nil) is nil.
//
// A number of events that the batch does not have makes the whole write fail.
func Delivered(n int, err error) error {
	if err == nil {
		return nil
	}
	return &partialError{delivered: n, rest: err}
}

// partialError is made by [Failed], which sets failed, or by [Delivered].
type partialError struct {
	failed    map[int]error
	delivered int
	rest      error
}

// Error says why the first event has failed, and of how many that holds.
func (p *partialError) Error() string {
	if p.rest != nil {
		return p.rest.Error()
	}
	first := slices.Min(slices.Collect(maps.Keys(p.failed)))
	if len(p.failed) == 1 {
		return p.failed[first].Error()
	}
	return fmt.Sprintf("%v (%d events)", p.failed[first], len(p.failed))
}

// Unwrap returns what says that the sink is away, where there is such an error.
func (p *partialError) Unwrap() error {
	if p.rest != nil {
		return p.rest
	}
	for _, i := range slices.Sorted(maps.Keys(p.failed)) {
		if IsAway(p.failed[i]) {
			return p.failed[i]
		}
	}
	return nil
}

// Outcomes returns what err, an error of a Write of n events, says of each of them: nil where it was
// delivered. single is true where err, or an error it wraps, was made by [Failed] or [Delivered]; else
// it says that the sink fails, and each event has the same error. That is also so where [Failed] has an
// error marked by [Away] for each event.
func Outcomes(err error, n int) (each []error, single bool) {
	var p *partialError
	if err == nil || !errors.As(err, &p) {
		return slices.Repeat([]error{err}, n), false
	}
	if why := p.misplaced(n); why != nil {
		return slices.Repeat([]error{why}, n), false
	}
	each = make([]error, n)
	away := 0
	for i := range each {
		switch {
		case p.rest == nil:
			each[i] = p.failed[i]
		case i >= p.delivered:
			each[i] = p.rest
		}
		if IsAway(each[i]) {
			away++
		}
	}
	if away == n {
		return slices.Repeat(each[:1], n), false
	}
	return each, true
}

// misplaced returns an error where p speaks of events that a batch of n does not have.
func (p *partialError) misplaced(n int) error {
	if p.rest != nil && (p.delivered < 0 || p.delivered >= n) {
		return fmt.Errorf("plugin.Delivered speaks of %d events of a batch of %d: %w", p.delivered, n, p.rest)
	}
	for i, err := range p.failed {
		if i < 0 || i >= n {
			return fmt.Errorf("plugin.Failed has the index %d in a batch of %d events: %w", i, n, err)
		}
	}
	return nil
}

// Ended is what a source's Run returns: nil where ctx has ended, whatever went
// wrong because of that, else err.
func Ended(ctx context.Context, err error) error {
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
