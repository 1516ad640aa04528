package router

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// The pauses between two runs of a source that was lost.
const (
	restartInitial = 100 * time.Millisecond
	restartMax     = 10 * time.Second
)

// source supervises one plugin.Source, and is its Output.
type source struct {
	spec   SourceSpec
	impl   plugin.Source
	health *health
	routes []*route

	mu     sync.Mutex
	counts SourceCounts

	first    sync.Once
	wasReady chan struct{} // closed at the first Ready
	restart  backoff       // of the source's own goroutine
}

// run calls the source again and again until ctx ends.
func (s *source) run(ctx context.Context) {
	s.restart = backoff{initial: restartInitial, max: restartMax}
	for ctx.Err() == nil {
		err := s.once(ctx)
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			err = errors.New("the source ended although it was not told to")
		}
		pause := s.restart.next()
		s.health.down(err, pause)
		sleep(ctx, pause)
	}
	s.health.stopped()
}

func (s *source) once(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.impl.Run(ctx, s)
}

// Ready is part of [plugin.Output].
func (s *source) Ready() {
	s.restart.reset() // Ready is called from Run, by the source's goroutine
	s.health.up()
	s.first.Do(func() { close(s.wasReady) })
}

// Gap is part of [plugin.Output].
func (s *source) Gap(reason string) {
	s.mu.Lock()
	s.counts.Gaps++
	s.mu.Unlock()
	s.health.log.Warn("gap: events may have been missed", "reason", reason)
	for _, r := range s.routes {
		r.gap(plugin.Gap{Source: s.spec.Name, Reason: reason})
	}
}

// Emit is part of [plugin.Output].
func (s *source) Emit(ctx context.Context, b event.Batch) error {
	n := uint64(len(b.Events))
	s.mu.Lock()
	s.counts.Emitted += n
	s.counts.Outstanding += n
	s.mu.Unlock()
	var rec *receipt
	if b.Ack != nil {
		rec = newReceipt(func(err error) {
			s.settle(n, err)
			b.Ack(err)
		})
	}
	var err error
	for _, r := range s.routes {
		err = errors.Join(err, r.carry(ctx, b.Events, rec))
	}
	if rec == nil {
		s.settle(n, nil) // it is the router's now; nobody waits for more
	} else {
		rec.done(err)
	}
	return err
}

func (s *source) settle(n uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Outstanding -= n
	if err == nil {
		s.counts.Acked += n
	} else {
		s.counts.Nacked += n
	}
}

func (s *source) status() SourceStatus {
	h, lost := s.health.snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Errors = lost
	return SourceStatus{Name: s.spec.Name, Type: s.spec.Type.Name(), Health: h, SourceCounts: c}
}
