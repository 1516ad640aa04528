package delivery

import (
	"context"
	"errors"
	"time"

	"eventgateway/gateway/event"
)

// The errors of SendAgain.
var (
	ErrNoAttempt = errors.New("the sink has no such attempt, or not any more: list its latest attempts")
	ErrTooLarge  = errors.New("the events of this attempt were too large to be stored: emit them again at their source")
	ErrQueueFull = errors.New("the queue of the sink is full, or the sink stops: try again later")
)

// sendAgainTimeout bounds the wait for the attempt.
const sendAgainTimeout = 10 * time.Second

// SendAgain enqueues the events of an attempt again, behind the events that wait and within all limits of the sink. It calls sent with
// their number when they are in the queue. Then it waits up to ten seconds for the first attempt to deliver them. done is false if there
// was none.
func (s *Sink) SendAgain(ctx context.Context, id string, sent func(n int)) (v AttemptView, done bool, err error) {
	a := s.attempts.find(id)
	switch {
	case a == nil:
		return v, false, ErrNoAttempt
	case a.events == nil:
		return v, false, ErrTooLarge
	}
	events := make([]*event.Event, len(a.events))
	for i, e := range a.events {
		again := *e
		again.Attempts, again.Fence = nil, nil // an operator sends it, and not the leader that captured it
		events[i] = &again
	}
	next, forget := s.attempts.await(events[0])
	defer forget()
	if !s.queue.Offer(events) {
		return v, false, ErrQueueFull
	}
	sent(len(events))
	ctx, cancel := context.WithTimeout(ctx, sendAgainTimeout)
	defer cancel()
	select {
	case a := <-next:
		return s.viewAttempt(a, true), true, nil
	case <-ctx.Done():
		return v, false, nil
	}
}
