package exec

import (
	"context"
	"errors"
	"fmt"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// Write is part of [plugin.Sink]. It sends one line after the other, and waits for the answer to each.
func (s *sink) Write(ctx context.Context, events []*event.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.dialogue.Open(ctx); err != nil {
		return err
	}
	failed := map[int]error{}
	for from := 0; from < len(events); {
		n := s.dialogue.Encode(events[from:], s.isSuspect)
		if n == 0 {
			failed[from] = plugin.Permanent(fmt.Errorf("the event is longer than max_line, %d bytes: raise max_line", s.dialogue.Program().MaxLine()))
			from++
			continue
		}
		part := events[from : from+n]
		reply, err := s.dialogue.Exchange(ctx)
		if err != nil {
			return s.interrupted(ctx, failed, events, from, n, err)
		}
		if reply.Nack != nil && n == len(events) { // the whole write has failed
			return reply.Err()
		}
		if err := s.addFailures(failed, from, n, reply); err != nil {
			return s.interrupted(ctx, failed, events, from, n, err)
		}
		for _, e := range part {
			delete(s.suspects, e)
		}
		s.dialogue.Program().Progress()
		from += n
	}
	return plugin.Failed(failed)
}

func (s *sink) isSuspect(e *event.Event) bool {
	_, suspect := s.suspects[e]
	return suspect
}

// addFailures adds the failures in the answer to the n events from index from on. An error means that the program does not work.
func (s *sink) addFailures(failed map[int]error, from, n int, reply childproc.Message) error {
	if reply.Nack != nil {
		err := reply.Err()
		if plugin.IsUnavailable(err) {
			return err
		}
		for i := range n {
			failed[from+i] = err
		}
		return nil
	}
	each, err := reply.Failures(n)
	if err != nil {
		return s.dialogue.Refuse(err)
	}
	for i, err := range each {
		failed[from+i] = err
	}
	return nil
}

// maxSuspects bounds the memory of suspects, which may have been returned to their source.
const maxSuspects = 10_000

// interrupted returns the result of a Write that err has ended during the n events from index from on. The answers before count.
func (s *sink) interrupted(ctx context.Context, failed map[int]error, events []*event.Event, from, n int, err error) error {
	stopped := errors.Is(ctx.Err(), context.Canceled)
	if childproc.Crashed(err) && !stopped && !plugin.IsUnavailable(err) {
		if len(s.suspects) > maxSuspects {
			clear(s.suspects)
		}
		for _, e := range events[from : from+n] {
			if n > 1 {
				s.suspects[e] += 0
			} else {
				s.suspects[e]++
			}
		}
	}
	unavailable := plugin.Unavailable(err)
	for i := from; i < len(events); i++ {
		failed[i] = unavailable
	}
	if first := events[from]; s.suspects[first] >= s.opts.MaxDeliveries {
		delete(s.suspects, first)
		failed[from] = plugin.Permanent(fmt.Errorf("the program has failed on the event %d times: %w", s.opts.MaxDeliveries, err))
	}
	return plugin.Failed(failed)
}
