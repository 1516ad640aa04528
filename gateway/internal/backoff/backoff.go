// Package backoff computes the pauses between attempts that fail, and waits for them.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff computes the pauses between attempts: each is random between zero and a bound
// that doubles (full jitter; see "Exponential Backoff And Jitter", AWS Architecture Blog,
// 2015). So many clients of a server that restarts do not reconnect at the same time.
type Backoff struct {
	Initial, Max time.Duration // bounds of the first pause, and of every pause
	attempt      int
}

// nearMax bounds the pauses of [Backoff.NextNear].
const nearMax = time.Second

// Next returns the pause before the next attempt.
func (b *Backoff) Next() time.Duration { return rand.N(b.bound(b.Max)) + 1 }

// NextNear returns the pause before the next attempt to reach a server of one's own: at most a
// second, so that the flow resumes soon after the server does. It is at least half of its bound, so that a
// server that is starting gets few attempts from many clients.
func (b *Backoff) NextNear() time.Duration {
	half := b.bound(min(b.Max, nearMax)) / 2
	return half + rand.N(half+1) + 1
}

// Pause returns the pause after a failure: NextNear where the server is one's own and unavailable, else Next.
func (b *Backoff) Pause(unavailable bool) time.Duration {
	if unavailable {
		return b.NextNear()
	}
	return b.Next()
}

// bound counts an attempt, and returns the bound of the pause before it, which is at most highest.
func (b *Backoff) bound(highest time.Duration) time.Duration {
	shifted := b.Initial << min(b.attempt, 30)
	b.attempt++
	if shifted > 0 && shifted < highest {
		return shifted
	}
	return highest
}

// After returns a pause as Next does after n failed attempts, whatever came before.
func (b Backoff) After(n int) time.Duration {
	b.attempt = n - 1
	return b.Next()
}

// Reset starts over, after a success.
func (b *Backoff) Reset() { b.attempt = 0 }

// Await waits for a signal, for d where timed is true, or for the end of ctx.
func Await(ctx context.Context, signal <-chan struct{}, d time.Duration, timed bool) {
	var expired <-chan time.Time
	if timed {
		t := time.NewTimer(d)
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-signal:
	case <-expired:
	case <-ctx.Done():
	}
}

// Sleep waits for d, and reports whether ctx lasted so long.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// ClosedBy waits for done until t, and reports whether it was closed by then.
func ClosedBy(done <-chan struct{}, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-done:
		return true
	default:
	}
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
