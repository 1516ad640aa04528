package router

import (
	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/tap"
)

// look records what becomes of the events of one batch in a route, for viewers of the route. The methods of a nil look do
// nothing, so that a route without viewers only compares a pointer.
type look struct {
	route  *route
	parked uint64        // events that were parked before the present one
	all    []*tap.Record // of the events that came in; nil where no viewer takes the event
	now    []*tap.Record // of each event before the present stage
	next   []*tap.Record // of each event behind it
}

// look begins to look at the events of a batch.
func (r *route) look(events []*event.Event) *look {
	l := &look{route: r}
	for _, e := range events {
		l.all = append(l.all, r.tap.Record(r.policy, e))
	}
	l.now = l.all
	return l
}

// lookAtWindow begins to look at a window of the stage at an index.
func (r *route) lookAtWindow(at int, events []*event.Event) *look {
	return &look{route: r, all: []*tap.Record{r.tap.Record(func() *tap.Policy { return r.policies[at] }, events...)}}
}

// takes notes that the route takes the event at an index.
func (l *look) takes(i int) {
	if l != nil {
		l.next = append(l.next, l.now[i])
	}
}

// refused notes that the route does not take the event at an index, for a reason or because of an error. parked is the number
// of events of the batch that are dead letters now.
func (l *look) refused(i int, reason string, err error, parked uint64) {
	if l == nil {
		return
	}
	outcome := tap.Filtered
	if err != nil {
		outcome, reason = l.ended(parked), err.Error()
	}
	if rec := l.now[i]; rec != nil {
		rec.End(outcome, reason)
	}
}

// ended returns the outcome of an event on which the route has failed. It is called for each such event.
func (l *look) ended(parked uint64) string {
	before := l.parked
	if l.parked = parked; parked > before {
		return tap.DeadLettered
	}
	return tap.Returned
}

// applied notes what the stage st, at an index of the route, has made of the event e, at an index of the batch. parked is
// as for refused.
func (l *look) applied(i, at int, st *stage, e *event.Event, made []*event.Event, err error, parked uint64) {
	for range made {
		l.next = append(l.next, l.now[i])
	}
	outcome := l.outcome(st, made, err, parked)
	if rec := l.now[i]; rec != nil {
		rec.Apply(l.step(at, outcome, err), e, made)
	}
}

// windowApplied notes what a stage has made of the window.
func (l *look) windowApplied(at int, st *stage, err error, parked uint64) {
	if l == nil {
		return
	}
	for range st.out {
		l.next = append(l.next, l.all[0])
	}
	if rec := l.all[0]; rec != nil {
		rec.Apply(l.step(at, l.outcome(st, st.out, err, parked), err), nil, st.out)
	}
	l.advance()
}

// held notes that events wait in the window of the stage at an index.
func (l *look) held(at int, events []*event.Event) {
	if l == nil {
		return
	}
	for i, e := range events {
		if rec := l.now[i]; rec != nil {
			rec.Apply(l.step(at, tap.Held, nil), e, nil)
		}
	}
}

func (l *look) outcome(st *stage, made []*event.Event, err error, parked uint64) string {
	switch {
	case err == nil && len(made) == 0:
		return tap.Filtered
	case err == nil:
		return tap.Applied
	case st.failure.OnError == OnErrorPass:
		return tap.Passed
	case st.failure.OnError == OnErrorDrop:
		return tap.Dropped
	}
	return l.ended(parked)
}

// step returns a step of the stage at an index.
func (l *look) step(at int, outcome string, err error) tap.Step {
	spec := l.route.spec.Through[at]
	s := tap.Step{Stage: at, Transform: spec.Name, Type: spec.Type.Name(), Hidden: l.route.policies[at], Hide: l.route.policies[at+1], Outcome: outcome}
	if err != nil {
		s.Reason = err.Error()
	}
	return s
}

// advance makes the events behind a stage those before the next one.
func (l *look) advance() {
	if l != nil {
		l.now, l.next = l.next, nil
	}
}

// end gives the records to the viewers. Events without an outcome were sent to sinks.
func (l *look) end(to []*edge) {
	if l == nil {
		return
	}
	var names []string
	for _, e := range to {
		names = append(names, e.Name())
	}
	for _, rec := range l.all {
		if rec == nil {
			continue
		}
		if rec.End(tap.Sent, ""); rec.Outcome == tap.Sent {
			rec.To = names
		}
		rec.Done()
	}
}

// showEmitted shows the events of a batch to viewers of the source. They see what none of the routes hides.
func (s *source) showEmitted(events []*event.Event, routes []wired) {
	policy := func() (p *tap.Policy) {
		for _, w := range routes {
			p = tap.Join(p, w.route.policy())
		}
		return p
	}
	for _, e := range events {
		s.tap.Show(policy, e, tap.Emitted, "", 0)
	}
}
