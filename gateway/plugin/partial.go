package plugin

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Failed makes the error that Write returns where single events have failed, and the sink may
// well take others. failed maps the index of an event, in the slice given to Write, to its error;
// nil, or no entry, says that it was delivered. Only the failed ones are tried again, each
// after a pause of its own, and only the later ones of their keys wait for them. An error may be
// marked by [Permanent] or [RetryAfter]. One that is marked by [Unavailable] says that the sink has failed
// before it took this event: such events are written again together, once the sink works.
// Failed returns nil where no event has failed.
//
// An index outside the batch makes the whole write fail.
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
		if IsUnavailable(p.failed[i]) {
			return p.failed[i]
		}
	}
	return nil
}

// Outcomes returns what err, an error of a Write of n events, says of each of them: nil where it was
// delivered. single is true where err, or an error it wraps, was made by [Failed] or [Delivered]; else
// it says that the sink fails, and each event has the same error. That is also so where [Failed] has an
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
	away := 0
	for i := range each {
		switch {
		case p.rest == nil:
			each[i] = p.failed[i]
		case i >= p.delivered:
			each[i] = p.rest
		}
		if IsUnavailable(each[i]) {
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
