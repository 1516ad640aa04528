package delivery

import (
	"context"
	"errors"
	"time"

	"eventgateway/gateway/event"
)

// The errors of SendAgain.
var (
	ErrNoAttempt = errors.New("there is no such attempt any more: the sink keeps the latest ones")
	ErrNotKept   = errors.New("the events of this attempt are too large to be kept: replay them from their source")
	ErrQueueFull = errors.New("the queue of the sink is full, or the sink stops: try again later")
)

// againPatience is how long SendAgain waits for the attempt.
const againPatience = 10 * time.Second

// SendAgain puts the events of an attempt into the queue again, as any other events: behind those that wait, and within all limits of
// the sink. It calls sent with their number when they are in the queue, and waits for the first attempt with them, for ten seconds at
// most. done is false if there was none by then.
func (s *Sink) SendAgain(ctx context.Context, id string, sent func(n int)) (v AttemptView, done bool, err error) {
	a := s.attempts.find(id)
	switch {
	case a == nil:
		return v, false, ErrNoAttempt
	case a.events == nil:
		return v, false, ErrNotKept
	}
	events := make([]*event.Event, len(a.events))
	for i, e := range a.events {
		again := *e
		again.Attempts, again.Fence = nil, nil // an operator sends it, and not the leader who captured it
		events[i] = &again
	}
	next, forget := s.attempts.await(events[0])
	defer forget()
	if !s.queue.Offer(events) {
		return v, false, ErrQueueFull
	}
	sent(len(events))
	ctx, cancel := context.WithTimeout(ctx, againPatience)
	defer cancel()
	select {
	case a := <-next:
		return s.viewAttempt(a, true), true, nil
	case <-ctx.Done():
		return v, false, nil
	}
}
