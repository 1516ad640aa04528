package delivery

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/options"
)

// BreakerOptions says when failing events open the circuit breaker, and for how long.
type BreakerOptions struct {
	Failures int              `koanf:"failures" rule:"min=0" doc:"consecutive failed writes of events that had not failed before which open the circuit breaker"`
	Pause    options.Duration `koanf:"pause" rule:"min=1ms" doc:"upper bound of the pause, random between it and its half"`
}

// Docs is part of [options.Documented].
func (BreakerOptions) Docs() map[string]string {
	return map[string]string{
		"failures": "0 disables. A sink that fails as a whole opens it at once, for a pause as retry says",
	}
}

// breakerState is the state of a [breaker].
type breakerState int

const (
	closed   breakerState = iota // the sink is written to
	open                         // nothing is written until the pause is over; then one write probes
	probing                      // one write is under way, which shows whether to close
	disabled                     // nothing is written until a reload
)

// breaker is the circuit breaker of a sink (Nygard, Release It!). A write that fails as a whole opens it at once,
// events that fail only when many do in a row. After a pause, one write probes.
type breaker struct {
	options BreakerOptions

	mu       sync.Mutex
	state    breakerState
	until    time.Time       // the end of the pause; zero while closed
	pauses   backoff.Backoff // after writes that failed as a whole
	failures int             // consecutive
	opened   *atomic.Uint64  // times that it was opened; the successor of the sink goes on with it
	epoch    uint64          // rises with each change of the state, but for the begin of a probe

	byEvents   bool   // opened by failing events, not by the sink
	byReceiver bool   // the receiver has asked for the pause
	reason     string // while disabled

	stopAt  time.Time     // workers that would wait longer give up; zero: none does
	changed chan struct{} // closed when waiting workers are to look again
}

func newBreaker(o *Options) *breaker {
	return &breaker{options: o.Breaker, pauses: o.Retry.backoff(), opened: &atomic.Uint64{}, changed: make(chan struct{})}
}

// permit allows one write. It is given back by release.
type permit struct {
	epoch uint64
	probe bool
}

// signal is what a write says about the sink.
type signal int

const (
	sinkWorks       signal = iota // it took an event, or refused one for good
	noSignal                      // the write was cut short
	eventsFailed                  // events have failed, each by itself
	sinkFailed                    // it failed as a whole
	sinkUnavailable               // it failed as a whole, and its server is one's own
)

// await waits until a worker may write. It reports false where none will: ctx has ended,
// or the sink stops before, or it stops and drained reports that there is nothing to write.
func (b *breaker) await(ctx context.Context, drained func() bool) bool {
	_, ok := b.wait(ctx, never, drained, func() bool { return b.state != probing })
	return ok
}

func never() bool { return false }

// acquire waits for a permit to write. It reports false where the sink stops before, and where
// withdrawn reports that the events are not to be written any more.
func (b *breaker) acquire(ctx context.Context, withdrawn func() bool) (permit, bool) {
	return b.wait(ctx, withdrawn, never, func() bool {
		if b.state == probing {
			return false
		}
		if b.state == open {
			b.state = probing
		}
		return true
	})
}

// tryPing returns a permit to ping the server, where that tells something:
// not within a pause, nor during a probe, nor where events fail and not the server.
func (b *breaker) tryPing() (p permit, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case closed:
		return permit{b.epoch, false}, true
	case open:
		if !b.byEvents && !time.Now().Before(b.until) {
			b.state = probing
			return permit{b.epoch, true}, true
		}
	}
	return p, false
}

// isClosed reports whether the sink is written to.
func (b *breaker) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state == closed
}

// valid reports whether the state is the same as when the permit was given.
func (b *breaker) valid(p permit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return p.epoch == b.epoch
}

// wait waits for the end of the pause, and for may. It calls the functions with the lock.
func (b *breaker) wait(ctx context.Context, withdrawn, drained, may func() bool) (p permit, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ctx.Err() == nil && !withdrawn() {
		left := time.Until(b.until)
		if b.state != disabled && left <= 0 && may() {
			return permit{b.epoch, b.state == probing}, true
		}
		if !b.stopAt.IsZero() && (b.state == disabled || b.until.After(b.stopAt) || drained()) {
			return p, false
		}
		changed := b.changed
		b.mu.Unlock()
		backoff.Await(ctx, changed, left, left > 0)
		b.mu.Lock()
	}
	return p, false
}

// release gives a permit back with the signal of the write. asked is the pause that the receiver asks for. It
// returns the pause before the next write; 0 where the sink is written to.
func (b *breaker) release(p permit, s signal, asked time.Duration) (pause time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	current := p.epoch == b.epoch
	if p.probe && current && b.state == probing {
		b.state = open
		defer b.wake()
	}
	switch {
	case s == noSignal || b.state == disabled:
		return 0
	case s == sinkWorks && b.byReceiver && !current:
		return 0 // it began before the receiver asked for a pause
	case s == sinkWorks:
		b.failures = 0
		if b.state != closed {
			b.close()
		}
		return 0
	case !current: // another worker has seen it before
		return max(time.Until(b.until), 0)
	}
	if s == eventsFailed && p.probe && !b.byEvents {
		b.close() // the sink works again; this event is another matter
	}
	b.failures++
	switch {
	case s == sinkFailed:
		pause = max(b.pauses.Next(), asked)
	case s == sinkUnavailable:
		pause = max(b.pauses.NextNear(), asked)
	case p.probe && b.byEvents || b.options.Failures > 0 && b.failures >= b.options.Failures:
		d := b.options.Pause.D()
		pause = max(d/2+rand.N(d/2+1), asked)
	default:
		return 0
	}
	b.open(pause, s == eventsFailed, asked > 0)
	return pause
}

// open lets no worker write for a pause. It needs the lock.
func (b *breaker) open(pause time.Duration, byEvents, byReceiver bool) {
	if b.state == closed {
		b.opened.Add(1)
	}
	b.state, b.until = open, time.Now().Add(pause)
	b.byEvents, b.byReceiver = byEvents, byReceiver
	b.epoch++
	b.wake()
}

// close lets all workers write. It needs the lock.
func (b *breaker) close() {
	b.state, b.until = closed, time.Time{}
	b.failures, b.byEvents, b.byReceiver, b.reason = 0, false, false, ""
	b.epoch++
	b.pauses.Reset()
	b.wake()
}

// disable lets no worker write until enable is called. It reports whether that is new.
func (b *breaker) disable(reason string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.state == disabled
	b.state, b.reason = disabled, reason
	b.epoch++
	b.wake()
	return !before
}

// enable ends what disable has begun.
func (b *breaker) enable() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == disabled {
		b.close()
	}
}

// recheck makes waiting workers look again at what they wait for.
func (b *breaker) recheck() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wake()
}

func (b *breaker) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// stop makes workers give up that would wait longer than until.
func (b *breaker) stop(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopAt = until
	b.wake()
}

func (b *breaker) status() stats.BreakerStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := stats.BreakerStatus{State: stats.BreakerClosed, Opened: b.opened.Load(), Reason: b.reason}
	switch {
	case b.state == disabled:
		st.State = stats.BreakerDisabled
	case b.state == closed:
	case time.Now().Before(b.until):
		until := b.until
		st.State, st.Until = stats.BreakerOpen, &until
	default:
		st.State = stats.BreakerHalfOpen
	}
	return st
}
