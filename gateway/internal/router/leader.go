package router

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// How a leadership is confirmed: so often, and an answer must come within.
const (
	confirmEvery  = 2 * time.Second
	confirmWithin = 2 * time.Second
	// resignWithin bounds how long it takes to give a leadership up.
	resignWithin = 5 * time.Second
	// leaseMargin is how long before a lease can end, as its server counts, the
	// leader stops to emit.
	leaseMargin = time.Second
)

var errNoTerm = errors.New("the plugin has returned nil from Campaign, and no error")

// errNotLeading is what Emit returns, and what ends a run, where another gateway
// may have taken over.
var errNotLeading = errors.New("the leadership is lost: another gateway may have taken over")

// leadership is that of one source: it runs only where this gateway leads.
type leadership struct {
	name  string
	terms *terms

	mu     sync.Mutex
	state  string
	holder string       // while standing by: the session that has the lock, where it is none of a gateway
	ready  bool         // while leading: the source is connected, and captures
	held   *event.Fence // nil: not leading
	until  time.Time    // the end of the lease; zero: for ever
	said   string       // who leads, as the log has it: only the source's goroutine has it
}

// The states of a leadership.
const (
	leading    = "leader"
	starting   = "starting" // the leader, whose source is not connected yet
	standingBy = "standby"
	notLeading = "none" // not connected
)

// lead runs f while this gateway leads, and returns when it does not any more. It campaigns when
// the writes of the term before have ended.
func (l *leadership) lead(ctx context.Context, s *source, f func(context.Context) error) error {
	elector, ok := s.impl.(plugin.Elector)
	if !ok {
		return fmt.Errorf("the type %s cannot elect a leader", s.spec.Type.Name())
	}
	s.awaitWrites(ctx)
	waited := false
	above, _ := l.terms.highest(l.name)
	won, err := elector.Campaign(ctx, l.name, above, func(holder string) {
		waited = true
		l.standby(holder)
		s.standby()
		if !l.changes(standingBy + holder) {
			return
		}
		if holder != "" {
			s.log.Warn("leader's lock is held by another program", "leader", l.name, "holder", holder)
		} else {
			s.log.Info("standing by: another gateway leads", "leader", l.name)
		}
	})
	if err != nil {
		l.set(notLeading, nil, time.Time{})
		l.said = "" // another one may lead meanwhile
		return err
	}
	if won == nil {
		return errNoTerm
	}
	term := boundedTerm{won, &s.component}
	defer term.Resign()
	begin := time.Now()
	if err := term.Confirm(ctx); err != nil {
		l.set(notLeading, nil, time.Time{})
		return err
	}
	fence := &event.Fence{Leader: l.name, Term: term.Term()}
	l.set(leading, fence, leaseEnd(term, begin))
	if l.changes(leading) {
		s.log.Info("leading", "leader", l.name, "term", fence.Term)
	}
	if waited || above > 0 {
		s.mu.Lock()
		s.missed, s.begins = "the leadership was taken over: what came meanwhile may be lost", false
		s.mu.Unlock()
	}

	s.term = &flag{}
	defer func() { // also where the run panics; and before the lock is given up
		l.set(notLeading, nil, time.Time{})
		if ctx.Err() == nil {
			s.withdraw()
		}
	}()
	running, stop := context.WithCancel(ctx)
	defer stop()
	lost := make(chan error, 1)
	go func() {
		defer stop()
		lost <- l.keep(running, term, fence)
	}()
	err = f(running)
	stop()
	if why := <-lost; why != nil {
		l.said = ""
		err = why
	}
	return err
}

// changes reports whether the log does not yet say who leads. A source that fails while it leads
// gives the lock up, and most often gets it back: that is no change.
func (l *leadership) changes(who string) bool {
	before := l.said
	l.said = who
	return before != who
}

// keep confirms the leadership until ctx ends, or until it fails.
func (l *leadership) keep(ctx context.Context, term plugin.Leadership, fence *event.Fence) error {
	tick := time.NewTicker(confirmEvery)
	defer tick.Stop()
	for {
		known, changed := l.terms.highest(l.name)
		if known > fence.Term {
			l.set(notLeading, nil, time.Time{})
			return fmt.Errorf("%w: a sink has refused term %d, because a leader of term %d has written", errNotLeading, fence.Term, known)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			continue
		case <-tick.C:
		}
		begin := time.Now()
		if err := term.Confirm(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			l.set(notLeading, nil, time.Time{})
			return fmt.Errorf("%w: %w", errNotLeading, err)
		}
		l.set(leading, fence, leaseEnd(term, begin))
	}
}

// leaseEnd is when, counted from the begin of a confirmation, emitting ends.
func leaseEnd(term plugin.Leadership, begin time.Time) time.Time {
	if d := term.Lease(); d > 0 {
		return begin.Add(d - leaseMargin)
	}
	return time.Time{}
}

func (l *leadership) set(state string, held *event.Fence, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state, l.held, l.until, l.holder = state, held, until, ""
	l.ready = l.ready && state == leading
}

// standby notes that another session leads.
func (l *leadership) standby(holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state, l.held, l.until, l.holder, l.ready = standingBy, nil, time.Time{}, holder, false
}

// captures notes that the source of the leader is connected.
func (l *leadership) captures() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready = l.state == leading
}

// fence returns what events are stamped with. It fails where the lease has ended,
// as it does in a process that was frozen: what such a one has still in its
// buffers is another one's by now.
func (l *leadership) fence() (*event.Fence, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil || !l.until.IsZero() && time.Now().After(l.until) {
		return nil, errNotLeading
	}
	return l.held, nil
}

func (l *leadership) status() *LeaderStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := &LeaderStatus{Name: l.name, State: l.state, Holder: l.holder}
	if l.state == leading && !l.ready {
		st.State = starting
	}
	if l.held != nil {
		st.Term = l.held.Term
	}
	return st
}
