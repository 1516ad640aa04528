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
	if err := s.open(ctx); err != nil {
		return err
	}
	failed := map[int]error{}
	for from := 0; from < len(events); {
		n := s.encode(events[from:])
		if n == 0 {
			failed[from] = plugin.Permanent(fmt.Errorf("the event is longer than max_line, %d bytes", s.program.MaxLine()))
			from++
			continue
		}
		part := events[from : from+n]
		reply, err := s.send(ctx)
		if err != nil {
			return s.broken(ctx, failed, events, from, n, err)
		}
		if reply.Nack != nil && n == len(events) { // the sink has failed as a whole
			return reply.Err()
		}
		if err := s.settle(failed, from, n, reply); err != nil {
			return s.broken(ctx, failed, events, from, n, err)
		}
		for _, e := range part {
			delete(s.suspects, e)
		}
		s.program.Progress()
		from += n
	}
	return plugin.Failed(failed)
}

// encode makes the next line: of the first event if that is suspect, else of as many as fit into the line and are not. It returns
// how many; 0 if the first event does not fit.
func (s *sink) encode(events []*event.Event) (n int) {
	s.seq++
	s.line = childproc.AppendBatch(s.line[:0], s.seq)
	for n < len(events) {
		_, suspect := s.suspects[events[n]]
		if suspect && n > 0 {
			break
		}
		before := len(s.line)
		s.line = childproc.AppendEvent(s.line, events[n], n == 0)
		if len(s.line)+len("]}\n") > s.program.MaxLine() {
			s.line = s.line[:before]
			break
		}
		n++
		if suspect {
			break
		}
	}
	s.line = childproc.EndBatch(s.line)
	return n
}

// send sends the line, and waits for the answer. After an error the process has ended.
func (s *sink) send(ctx context.Context) (childproc.Message, error) {
	s.pending.Store(s.seq)
	if err := s.process.Write(ctx, s.line); err != nil {
		if s.process.Err() == nil { // the context has ended
			err = s.process.Kill("read a batch")
		}
		return childproc.Message{}, err
	}
	select {
	case m := <-s.replies:
		return m, nil
	case <-s.process.Done():
		select {
		case m := <-s.replies: // its last words
			return m, nil
		default:
			return childproc.Message{}, s.process.Err()
		}
	case <-ctx.Done():
		return childproc.Message{}, s.process.Kill("answered a batch")
	}
}

// settle adds the failures of an answer to n events from one on. An error means that the program does not work.
func (s *sink) settle(failed map[int]error, from, n int, reply childproc.Message) error {
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
		return s.process.Refuse(err)
	}
	for i, err := range each {
		failed[from+i] = err
	}
	return nil
}

// maxSuspects bounds the memory of suspects, which may have been returned to their source.
const maxSuspects = 10_000

// broken returns the result of a Write that was cut short by err at n events from one on: what was answered before counts.
func (s *sink) broken(ctx context.Context, failed map[int]error, events []*event.Event, from, n int, err error) error {
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
