package router

import (
	"context"
	"errors"
	"sync"
	"time"
)

// replayAttempt is one attempt to send a dead letter to a place.
type replayAttempt struct {
	settled func(error)
	release func()

	mu     sync.Mutex
	ended  bool // the letter was handed over, or must be sent again
	resend bool // the outcome of this attempt does not count
	early  bool // it was settled before it has ended
	err    error
}

// Settled is part of [settle.Owner].
func (a *replayAttempt) Settled(err error) {
	a.release()
	a.mu.Lock()
	report := a.ended && !a.resend
	a.early, a.err = !a.ended, err
	a.mu.Unlock()
	if report {
		a.settled(err)
	}
}

// AttemptFailed is part of [settle.Owner].
func (*replayAttempt) AttemptFailed(int, time.Time) {}

// end ends an attempt that has returned err. It reports false where the letter must be sent again, because a reload has canceled the
// attempt. Copies that were enqueued until then are delivered too.
func (a *replayAttempt) end(err error, targets *replayTargets) (sent bool) {
	a.mu.Lock()
	if a.early && err == nil {
		err = a.err
	}
	a.ended, a.resend = true, errors.Is(err, context.Canceled) && targets.replaced.Err() != nil
	early, err, resend := a.early, a.err, a.resend
	a.mu.Unlock()
	if early && !resend {
		a.settled(err)
	}
	return !resend
}
