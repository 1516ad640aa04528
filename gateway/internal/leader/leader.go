// Package leader runs a source only where this gateway leads: of all gateways that name a leadership, one captures, and
// the others stand by.
//
// A leader confirms its lock every two seconds, stops to emit before its lease can end, and stamps events with its
// fence. When it loses the leadership, its events that wait are returned, because the new leader brings them
// again. After the pause of a source that has failed, it campaigns again when its writes under way have ended, or the
// longest timeout of a sink is over.
package leader

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// How a leadership is confirmed: how often, and how long the answer may take.
const (
	confirmEvery  = 2 * time.Second
	confirmWithin = 2 * time.Second
	// resignWithin bounds how long it takes to give a leadership up.
	resignWithin = 5 * time.Second
	// leaseMargin is how long before the end of its lease, by the server's clock, a
	// leader stops to emit.
	leaseMargin = time.Second
)

var errNoTerm = errors.New("the plugin has returned nil from Campaign, and no error")

// Candidate is the source of a leadership. The leadership calls its methods from the goroutine of [Leadership.Lead].
type Candidate interface {
	// AwaitWrites waits for the writes under way of an earlier term.
	AwaitWrites(ctx context.Context)
	// StandBy records that the source is well, and another gateway runs it.
	StandBy()
	// TookOver records that another gateway has led before.
	TookOver()
	// Revoke returns the events of the term that wait: the leadership is lost.
	Revoke()
}

// Leadership is that of one source.
type Leadership struct {
	name  string
	terms *Terms
	of    *component.Component

	mu        sync.Mutex
	state     string
	holder    string       // while standing by: the session that has the lock, where it is not a gateway's
	capturing bool         // while leading: the source is connected
	held      *event.Fence // nil: not leading
	latest    int64        // term that this gateway has led last; 0: none
	until     time.Time    // the end of the lease; zero: none
	logged    string       // the last state in the log; only Lead's goroutine uses it
}

// New returns the leadership name of a source.
func New(name string, terms *Terms, of *component.Component) *Leadership {
	return &Leadership{name: name, terms: terms, of: of, state: stats.NotLeading}
}

// Lead campaigns, and runs f while this gateway leads. It returns when it does not lead any more.
func (l *Leadership) Lead(ctx context.Context, elector plugin.Elector, source Candidate, f func(context.Context) error) error {
	source.AwaitWrites(ctx)
	stoodBy := false
	above, _ := l.terms.Highest(l.name)
	won, err := elector.Campaign(ctx, l.name, above, func(holder string) {
		stoodBy = true
		l.standBy(holder)
		source.StandBy()
		if !l.isNews(stats.StandingBy + holder) {
			return
		}
		if holder != "" {
			l.of.Health.Occurred(stats.KindLeader, stats.LevelProblem, fmt.Sprintf("the lock of %s is held by %s, which cannot lead", l.name, holder))
			l.of.Log.Warn("leader lock held by another program", "leader", l.name, "holder", holder)
		} else {
			l.of.Health.Occurred(stats.KindLeader, stats.LevelInfo, fmt.Sprintf("stands by: another gateway leads %s", l.name))
			l.of.Log.Info("standing by", "leader", l.name)
		}
	})
	if err != nil {
		l.set(stats.NotLeading, nil, time.Time{})
		l.logged = "" // another gateway may lead meanwhile
		return err
	}
	if won == nil {
		return errNoTerm
	}
	term := boundedTerm{won, l.of}
	defer term.Resign()
	begin := time.Now()
	if err := term.Confirm(ctx); err != nil {
		l.set(stats.NotLeading, nil, time.Time{})
		return err
	}
	fence := &event.Fence{Leader: l.name, Term: term.Term()}
	l.setLatest(fence.Term)
	l.set(stats.Leading, fence, leaseEnd(term, begin))
	if l.isNews(stats.Leading) {
		l.of.Health.Occurred(stats.KindLeader, stats.LevelInfo, fmt.Sprintf("leads %s, term %d", l.name, fence.Term))
		l.of.Log.Info("leading", "leader", l.name, "term", fence.Term)
	}
	if stoodBy || above > 0 {
		source.TookOver()
	}
	defer func() { // also where f panics; and before the lock is given up
		l.set(stats.NotLeading, nil, time.Time{})
		if ctx.Err() == nil {
			source.Revoke()
		}
	}()
	running, stop := context.WithCancel(ctx)
	defer stop()
	lost := make(chan error, 1)
	go func() {
		defer stop()
		lost <- l.confirm(running, term, fence)
	}()
	err = f(running)
	stop()
	if known, ok := plugin.FencedBy(err); ok { // the state of the source is a later leader's
		l.terms.Report(l.name, known)
	}
	if why := <-lost; why != nil {
		l.of.Health.Occurred(stats.KindLeader, stats.LevelProblem, fmt.Sprintf("has lost the leadership of %s: %v", l.name, why))
		l.logged = ""
		err = why
	}
	return err
}

// isNews reports whether the log does not have the state yet. A source that fails while it leads
// gives the lock up, and usually wins it again: that is no news.
func (l *Leadership) isNews(state string) bool {
	before := l.logged
	l.logged = state
	return before != state
}

// confirm confirms the leadership until ctx ends, or until it is lost.
func (l *Leadership) confirm(ctx context.Context, term plugin.Leadership, fence *event.Fence) error {
	tick := time.NewTicker(confirmEvery)
	defer tick.Stop()
	for {
		known, changed := l.terms.Highest(l.name)
		if known > fence.Term {
			l.set(stats.NotLeading, nil, time.Time{})
			return fmt.Errorf("%w: a sink has refused term %d, because a leader of term %d has written", ack.ErrNotLeading, fence.Term, known)
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
			l.set(stats.NotLeading, nil, time.Time{})
			return fmt.Errorf("%w: %w", ack.ErrNotLeading, err)
		}
		l.set(stats.Leading, fence, leaseEnd(term, begin))
	}
}

// leaseEnd returns when a leader stops to emit that has begun to confirm its term at begin; zero is never.
func leaseEnd(term plugin.Leadership, begin time.Time) time.Time {
	if d := term.Lease(); d > 0 {
		return begin.Add(d - leaseMargin)
	}
	return time.Time{}
}

func (l *Leadership) set(state string, held *event.Fence, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state, l.held, l.until, l.holder = state, held, until, ""
	l.capturing = l.capturing && state == stats.Leading
}

// standBy records that another session leads.
func (l *Leadership) standBy(holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state, l.held, l.until, l.holder, l.capturing = stats.StandingBy, nil, time.Time{}, holder, false
}

// Capturing records that the source of the leader is connected.
func (l *Leadership) Capturing() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.capturing = l.state == stats.Leading
}

// Fence returns the fence of events. It fails where the lease has ended, such as in a process that was suspended: another
// gateway may have captured the events that such a process still has in its buffers.
func (l *Leadership) Fence() (*event.Fence, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil || !l.until.IsZero() && time.Now().After(l.until) {
		return nil, ack.ErrNotLeading
	}
	return l.held, nil
}

func (l *Leadership) setLatest(term int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest = term
}

// LatestTerm returns the term in which this gateway has led last, also when it leads no more: a source stores its state when it is
// closed, too. It fails if this gateway has never led.
func (l *Leadership) LatestTerm() (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latest == 0 {
		return 0, ack.ErrNotLeading
	}
	return l.latest, nil
}

// Status returns the state of the leadership.
func (l *Leadership) Status() *stats.LeaderStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := &stats.LeaderStatus{Name: l.name, State: l.state, Holder: l.holder}
	if l.state == stats.Leading && !l.capturing {
		st.State = stats.Starting
	}
	if l.held != nil {
		st.Term = l.held.Term
	}
	return st
}

// boundedTerm is a leadership of a plugin whose methods return in time, and do not panic.
type boundedTerm struct {
	plugin.Leadership
	of *component.Component
}

// Confirm is part of [plugin.Leadership].
func (b boundedTerm) Confirm(ctx context.Context) error {
	return b.of.Bounded(ctx, "Confirm", confirmWithin, b.Leadership.Confirm)
}

// Resign is part of [plugin.Leadership].
func (b boundedTerm) Resign() {
	_ = b.of.Bounded(context.Background(), "Resign", resignWithin, func(context.Context) error { // Bounded logs its error
		b.Leadership.Resign()
		return nil
	})
}
