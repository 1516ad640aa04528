package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/plugin"
)

// The pauses between two runs of a source.
const (
	restartInitial = 100 * time.Millisecond
	restartMax     = 10 * time.Second
	// restartHealthy is the length of a run after which the pauses start over.
	restartHealthy = time.Minute
)

// supervise runs the source again and again until ctx ends.
func (s *source) supervise(ctx context.Context) {
	defer close(s.ended)
	s.restart = backoff.Backoff{Initial: restartInitial, Max: restartMax}
	if s.startGap == "" {
		s.startGap, s.firstStart = reasonStart, true
	}
	for ctx.Err() == nil {
		begin := time.Now()
		err := s.runOnce(ctx)
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			err = errors.New("the source has ended although its context has not")
		}
		if time.Since(begin) > restartHealthy {
			s.restart.Reset()
		}
		pause := s.restart.Pause(isUnavailable(err))
		s.Health.Down(err, pause)
		backoff.Sleep(ctx, pause)
	}
	s.Health.Stopped()
}

func (s *source) runOnce(ctx context.Context) error {
	defer s.setStartGap(reasonRestart)
	s.run = s.tracker.Begin()
	out := &output{s: s, ctx: ctx, mu: &s.emitting, run: s.run}
	defer out.over.Store(true)
	run := func(ctx context.Context) error { return s.impl.Run(ctx, out) }
	return s.Protect(func() error {
		if s.leadership == nil {
			return run(ctx)
		}
		elector, ok := s.impl.(plugin.Elector)
		if !ok {
			return fmt.Errorf("the type %s cannot elect a leader", s.spec.Type.Name())
		}
		return s.leadership.Lead(ctx, elector, sourceCandidate{s}, run)
	})
}

// sourceCandidate is the leader.Candidate of a source.
type sourceCandidate struct{ *source }

// StandBy is part of [leader.Candidate].
func (s sourceCandidate) StandBy() {
	s.restart.Reset()
	s.Health.Up()
	s.first.Do(func() { close(s.wasReady) })
}

// TookOver is part of [leader.Candidate].
func (s sourceCandidate) TookOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startGap, s.firstStart = reasonTakeover, false
}

// Revoke is part of [leader.Candidate]. A write under way goes on; events that a
// worker has taken, or that stay behind when it ends, are not written any more.
func (s sourceCandidate) Revoke() {
	s.run.Revoke()
	s.returnWindows(ack.ErrNotLeading)
	s.eachSink(func(to *delivery.Sink) {
		to.Queue().ReclaimAll(s.tracker)
		to.Recheck()
	})
}

// AwaitWrites is part of [leader.Candidate]. The events of the next term must not arrive before the writes of this one
// have failed and their events were brought again. A write ends within the timeout of its sink.
func (s sourceCandidate) AwaitWrites(ctx context.Context) {
	idle, left := s.tracker.Idle(), s.tracker.Outstanding()
	if left == 0 {
		return
	}
	s.Log.Info("waiting for writes under way before campaigning again", "events", left)
	var longest time.Duration
	s.eachSink(func(to *delivery.Sink) { longest = max(longest, to.Options.Timeout.D()) })
	t := time.NewTimer(longest + writeGrace)
	defer t.Stop()
	select {
	case <-idle:
	case <-ctx.Done():
	case <-t.C:
		s.Log.Warn("writes of lost term do not end in time", "effect", "later events of their keys may overtake them")
	}
}

// writeGrace is how long after its timeout a write may take to end.
const writeGrace = time.Second

// eachSink calls f once with each sink that events of the source may wait for, dead-letter sinks included.
func (s *source) eachSink(f func(*delivery.Sink)) {
	seen := map[*delivery.Sink]bool{}
	var visit func(*delivery.Sink)
	target := func(t deadletter.Target) { visit(t.(*edge).sink) }
	visit = func(to *delivery.Sink) {
		if !seen[to] {
			seen[to] = true
			f(to)
			to.DeadLetters.UseTarget(target)
		}
	}
	s.wiring.Use(func(routes []wired) {
		for _, w := range routes {
			w.route.deadLetters.UseTarget(target)
			for _, e := range w.to {
				visit(e.sink)
			}
		}
	})
}

// end stops the source. Events whose next attempt is later than deadline are returned; end waits for the
// others until then, or until the router stops, because its sinks need the time. It returns
// when Run has, however long that takes: two must not capture at once. Then finish closes the plugin.
func (s *source) end(deadline time.Time, sinks []*delivery.Sink, stopping <-chan struct{}) {
	s.stop()
	if !backoff.ClosedBy(s.ended, deadline) {
		s.Log.Error("the replaced or removed source does not stop")
		<-s.ended
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	s.flushWindows(ctx)
	cancel()
	s.tracker.End(deadline)
	for _, to := range sinks {
		to.Queue().ReclaimLate(s.tracker, deadline)
	}
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-s.tracker.Idle():
	case <-t.C:
	case <-stopping:
	}
}

// finish closes the plugin of a source that has ended, once all of its events are settled, or at deadline. Events
// that are not settled then may wait in a sink for hours, and hold the source; so the source lets go of its routes and
// sinks.
func (s *source) finish(deadline time.Time) error {
	backoff.ClosedBy(s.tracker.Idle(), deadline)
	err := s.Close(deadline)
	s.wiring.Replace(nil)
	return err
}
