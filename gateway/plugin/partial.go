package plugin

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Failed returns an error for Write to return if single events have failed and the sink works. failed maps
// the index of an event in the slice given to Write to its error; events without an error were
// delivered. Only the failed events are retried, each after a pause of its own, and only later events
// of their keys wait for them. An error may be marked by [Permanent] or [RetryAfter]. An error marked
// by [Unavailable] means that the sink has failed before it got this event: such events are retried
// together as soon as the sink works. Failed returns nil if no event has failed.
//
// If an index is outside the batch, the whole write counts as failed.
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

// Delivered returns an error for Write to return if the first n events were delivered, and all others
// failed with err. Delivered(n, nil) is nil.
//
// If the batch does not have more than n events, the whole write counts as failed.
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

// Error returns the error of the first failed event, and the number of failed events.
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

// Unwrap returns the error that is marked by Unavailable, if there is one.
func (p *partialError) Unwrap() error {
	if p.rest != nil {
		return p.rest
	}
	for _, i := range slices.Sorted(maps.Keys(p.failed)) {
		if IsUnavailable(p.failed[i]) {
			return p.failed[i]
		}
	}
	return nil
}

// Outcomes returns the error of each event after a Write of n events has returned err: nil if the event was
// delivered. single is true if err, or an error it wraps, was made by [Failed] or [Delivered]. Else
// the sink has failed, and each event has the same error. So it is if [Failed] has an
// error marked by [Unavailable] for each event.
func Outcomes(err error, n int) (each []error, single bool) {
	var p *partialError
	if err == nil || !errors.As(err, &p) {
		return slices.Repeat([]error{err}, n), false
	}
	if why := p.misplaced(n); why != nil {
		return slices.Repeat([]error{why}, n), false
	}
	each = make([]error, n)
	unavailable := 0
	for i := range each {
		switch {
		case p.rest == nil:
			each[i] = p.failed[i]
		case i >= p.delivered:
			each[i] = p.rest
		}
		if IsUnavailable(each[i]) {
			unavailable++
		}
	}
	if unavailable == n {
		return slices.Repeat(each[:1], n), false
	}
	return each, true
}

// misplaced returns an error if p has an index or a count that a batch of n events does not have.
func (p *partialError) misplaced(n int) error {
	if p.rest != nil && (p.delivered < 0 || p.delivered >= n) {
		return fmt.Errorf("plugin.Delivered has the count %d for a batch of %d events: %w", p.delivered, n, p.rest)
	}
	for i, err := range p.failed {
		if i < 0 || i >= n {
			return fmt.Errorf("plugin.Failed has the index %d in a batch of %d events: %w", i, n, err)
		}
	}
	return nil
}
