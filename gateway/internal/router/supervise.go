package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eventgateway/gateway/plugin"
)

// The pauses between two runs of a source that was lost.
const (
	restartInitial = 100 * time.Millisecond
	restartMax     = 10 * time.Second
	// restartHealthy is after how long a run that ends counts as one that was well.
	restartHealthy = time.Minute
)

// run calls the source again and again until ctx ends.
func (s *source) run(ctx context.Context) {
	defer close(s.ended)
	s.restart = backoff{initial: restartInitial, max: restartMax}
	if s.missed == "" {
		s.missed, s.begins = beginsReason, true
	}
	for ctx.Err() == nil {
		begin := time.Now()
		err := s.once(ctx)
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			err = errors.New("the source ended although it was not told to")
		}
		if time.Since(begin) > restartHealthy {
			s.restart.reset()
		}
		pause := s.restart.pause(err)
		s.health.down(err, pause)
		sleep(ctx, pause)
	}
	s.health.stopped()
}

// givenBack is the error with which a source gets events back. The source returns it from
// Run, in words of its own, and perhaps marked as an error of its own server.
type givenBack struct{ error }

func (e *givenBack) Unwrap() error { return e.error }

// isAway reports whether err says that a server of one's own is away. Of events that were
// given back, the reason for that counts.
func isAway(err error) bool {
	var back *givenBack
	if errors.As(err, &back) {
		err = back.error
	}
	return plugin.IsAway(err)
}

func (s *source) once(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.health.panicked(p)
			err = fmt.Errorf("panic: %v", p)
		}
		err = s.redactor.Error(err)
		s.hasMissed("it begins anew: what came meanwhile may have been missed") // where it was ready
	}()
	out := &output{s: s, mu: &s.emitting}
	defer out.over.Store(true)
	if s.lead == nil {
		return s.impl.Run(ctx, out)
	}
	return s.lead.lead(ctx, s, func(ctx context.Context) error {
		out.term = s.term
		return s.impl.Run(ctx, out)
	})
}

// standby notes that the source is well, and another gateway runs it.
func (s *source) standby() {
	s.restart.reset()
	s.health.up()
	s.first.Do(func() { close(s.wasReady) })
}

// succeed makes s the successor of old, which has the same name and other
// options.
func (s *source) succeed(old *source) {
	s.before, s.missed = old, "the configuration was changed: what came meanwhile is lost"
}

// end stops the source. What sinks would try only after deadline is given back, and the
// rest waited for until then, or until the router stops: its sinks need the time. It returns
// when Run has, however long that takes: two may not capture at once. The plugin is to be
// closed then, by finish.
func (s *source) end(deadline time.Time, sinks []*sink, stopping <-chan struct{}) {
	s.stop()
	if !endedBy(s.ended, deadline) {
		s.log.Error("the source that is replaced or removed does not stop")
		<-s.ended
	}
	s.late.Store(&deadline)
	for _, to := range sinks {
		to.queue.giveBack(s, deadline)
	}
	s.mu.Lock()
	s.settled = make(chan struct{})
	s.checkSettled()
	s.mu.Unlock()
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-s.settled:
	case <-t.C:
	case <-stopping:
	}
}

// finish closes the plugin of a source that has ended, once everything that it has emitted
// is settled, or at deadline. What is still not settled then may wait for hours in a sink,
// and its receipts hold the source: the source lets go of the routes and sinks of its time.
func (s *source) finish(deadline time.Time) error {
	endedBy(s.settled, deadline)
	err := s.close(deadline)
	s.wiring.replace(nil)
	return err
}

// checkSettled closes settled once nothing is outstanding; it needs the lock.
func (s *source) checkSettled() {
	if s.settled == nil || s.counts.Outstanding > 0 {
		return
	}
	select {
	case <-s.settled:
	default:
		close(s.settled)
	}
}

// close closes the plugin: no Ack comes after it.
func (s *source) close(deadline time.Time) error {
	s.closed.Store(true)
	for s.acking.Load() > 0 {
		if time.Now().After(deadline) {
			_ = s.overdue("Ack") // it is closed all the same
			break
		}
		time.Sleep(time.Millisecond)
	}
	return s.component.close(deadline)
}

// inherit takes over the counts of the predecessor, once it has ended.
func (s *source) inherit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before == nil {
		return
	}
	old := s.before
	old.mu.Lock()
	defer old.mu.Unlock()
	s.carried = s.carried.plus(old.counts).plus(old.carried)
	s.before = nil
	s.health.inherit(old.health)
}
