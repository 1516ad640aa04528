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

// next returns the pause before the next attempt.
func (b *backoff) next() time.Duration {
	bound := b.max
	if shift := b.initial << min(b.attempt, 30); shift > 0 && shift < bound {
		bound = shift
	}
	b.attempt++
	return rand.N(bound) + 1
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
