package router

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff gives the pauses between attempts: random between zero and a bound
// that doubles (full jitter; see "Exponential Backoff And Jitter", AWS
// Architecture Blog, 2015), so that many clients of a server that comes back do
// not come back at once.
type backoff struct {
	initial, max time.Duration
	attempt      int
}

// nearMax bounds the pauses between attempts to reach a server of one's own: the flow is
// back soon after the server is, however long that took.
const nearMax = time.Second

// next returns the pause before the next attempt.
func (b *backoff) next() time.Duration { return rand.N(b.bound(b.max)) + 1 }

// near returns the pause before the next attempt to reach a server of one's own. It is at
// least half of its bound: a server that is starting gets few attempts, however many
// sources and sinks wait for it.
func (b *backoff) near() time.Duration {
	half := b.bound(min(b.max, nearMax)) / 2
	return half + rand.N(half+1) + 1
}

// pause returns the pause after an error.
func (b *backoff) pause(err error) time.Duration {
	if isAway(err) {
		return b.near()
	}
	return b.next()
}

// bound counts an attempt, and returns the bound of the pause before it, which is at most highest.
func (b *backoff) bound(highest time.Duration) time.Duration {
	shift := b.initial << min(b.attempt, 30)
	b.attempt++
	if shift > 0 && shift < highest {
		return shift
	}
	return highest
}

// reset starts over, after a success.
func (b *backoff) reset() { b.attempt = 0 }

// await waits for a signal, for d where it is timed, or for the end of ctx.
func await(ctx context.Context, signal <-chan struct{}, d time.Duration, timed bool) {
	var late <-chan time.Time
	if timed {
		t := time.NewTimer(d)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-signal:
	case <-late:
	case <-ctx.Done():
	}
}

// sleep waits for d, and says whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
