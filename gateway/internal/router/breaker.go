package router

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// breaker keeps a sink's workers from writing while that is of no use: for a pause
// after writes have failed, then until one write has shown that it works again; and for
// good where the receiver wants nothing any more. (See "Circuit Breaker", Nygard, Release
// It!; a write that fails as a whole opens it at once, events that fail only when many do
// in a row.)
type breaker struct {
	limit Breaker

	mu       sync.Mutex
	pauses   backoff       // after writes that failed as a whole
	failures int           // in a row
	opened   uint64        // times that it was closed and is not any more
	term     uint64        // changes with the state
	until    time.Time     // open; zero: closed
	tripped  bool          // open for events that failed, not for the sink itself
	asked    bool          // open for as long as the receiver asks for
	probing  bool          // one write is under way that is to show whether to close
	disabled string        // why it is never to close by itself
	giveUp   time.Time     // a stop: whoever has to wait longer gives up
	changed  chan struct{} // closed when somebody who waits should look again
}

func newBreaker(d Delivery) *breaker {
	return &breaker{limit: d.Breaker, pauses: d.Retry.backoff(), changed: make(chan struct{})}
}

// pass is the leave to write once; it must be given back by leave.
type pass struct {
	term  uint64
	probe bool
}

// await waits until somebody may write. It says false where nobody will: ctx has ended,
// or the sink stops before, or stops and finished says that there is nothing to write.
func (b *breaker) await(ctx context.Context, finished func() bool) bool {
	_, ok := b.wait(ctx, no, finished, func() bool { return b.until.IsZero() || !b.probing })
	return ok
}

func no() bool { return false }

// enter waits for the leave to write. It says false where the sink stops before, and where
// given says that what was to be written is not to be written any more.
func (b *breaker) enter(ctx context.Context, given func() bool) (pass, bool) {
	return b.wait(ctx, given, no, func() bool {
		switch {
		case b.until.IsZero():
			return true
		case b.probing:
			return false
		}
		b.probing = true
		return true
	})
}

// ask returns the leave to ask the server whether it is there, where that tells something:
// not within a pause, while another write probes, or where events fail and not the server.
func (b *breaker) ask() (p pass, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	open := !b.until.IsZero()
	if b.disabled != "" || open && (b.probing || b.tripped || time.Now().Before(b.until)) {
		return p, false
	}
	b.probing = open
	return pass{b.term, open}, true
}

// closed reports whether the sink is written to as it comes.
func (b *breaker) closed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.disabled == "" && b.until.IsZero()
}

// still says whether a pass is worth something: the state is the same as when it was given.
func (b *breaker) still(p pass) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return p.term == b.term
}

// wait waits for the pause to end, and for may. The functions are called with the lock.
func (b *breaker) wait(ctx context.Context, given, finished, may func() bool) (p pass, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ctx.Err() == nil && !given() {
		left := time.Until(b.until)
		if b.disabled == "" && left <= 0 && may() {
			return pass{b.term, b.probing && !b.until.IsZero()}, true
		}
		if !b.giveUp.IsZero() && (b.disabled != "" || b.until.After(b.giveUp) || finished()) {
			return p, false
		}
		changed := b.changed
		b.mu.Unlock()
		await(ctx, changed, left, left > 0)
		b.mu.Lock()
	}
	return p, false
}

// What a write says about the sink.
type verdict int

const (
	works    verdict = iota // it took something, or answered that it never will
	silent                  // nothing: the write was cut short
	eventBad                // events failed, each by itself
	sinkBad                 // it failed as a whole
	sinkAway                // it failed as a whole, and its server is one's own
)

// leave notes how the write went. asked is the pause that the receiver asks for. It
// returns how long nobody will write; 0 where the sink is written to.
func (b *breaker) leave(p pass, v verdict, asked time.Duration) (pause time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.probe && p.term == b.term {
		b.probing = false
		defer b.wake()
	}
	switch {
	case v == silent || b.disabled != "":
		return 0
	case v == works && b.asked && p.term != b.term:
		return 0 // it began before the receiver asked for a pause
	case v == works:
		b.failures = 0
		if !b.until.IsZero() {
			b.close()
		}
		return 0
	case p.term != b.term: // somebody else has seen it before
		return max(time.Until(b.until), 0)
	}
	if v == eventBad && p.probe && !b.tripped {
		b.close() // it is there again, and this event is another matter
	}
	b.failures++
	switch {
	case v == sinkBad:
		pause = max(b.pauses.next(), asked)
	case v == sinkAway:
		pause = max(b.pauses.near(), asked)
	case p.probe && b.tripped || b.limit.Failures > 0 && b.failures >= b.limit.Failures:
		d := b.limit.Pause.D()
		pause = max(d/2+rand.N(d/2+1), asked)
	default:
		return 0
	}
	b.tripped, b.asked = v == eventBad, asked > 0
	if b.until.IsZero() {
		b.opened++
	}
	b.until = time.Now().Add(pause)
	b.term++
	b.wake()
	return pause
}

// close lets all write; it needs the lock.
func (b *breaker) close() {
	b.failures, b.until, b.probing, b.tripped, b.asked, b.disabled = 0, time.Time{}, false, false, false, ""
	b.term++
	b.pauses.reset()
	b.wake()
}

// look lets those who wait look again at what they wait for.
func (b *breaker) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wake()
}

func (b *breaker) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// disable opens it for good. It says whether it was not disabled before.
func (b *breaker) disable(why string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.disabled != ""
	b.disabled = why
	b.term++
	b.wake()
	return !was
}

// enable ends what disable has begun.
func (b *breaker) enable() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.disabled != "" {
		b.close()
	}
}

// stop lets those give up who would wait longer than until.
func (b *breaker) stop(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.giveUp = until
	b.wake()
}

func (b *breaker) status() BreakerStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := BreakerStatus{State: BreakerClosed, Opened: b.opened, Reason: b.disabled}
	switch {
	case b.disabled != "":
		st.State = BreakerDisabled
	case b.until.IsZero():
	case time.Now().Before(b.until):
		until := b.until
		st.State, st.Until = BreakerOpen, &until
	default:
		st.State = BreakerHalfOpen
	}
	return st
}
