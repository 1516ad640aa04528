package router

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// sink runs one plugin.Sink: what is put waits in its queue, from which its workers
// deliver it.
type sink struct {
	component
	spec       SinkSpec
	impl       plugin.Sink
	opener     plugin.Opener // nil where the plugin is none
	shared     bool          // the plugin is the predecessor's: only what the router does with it differs
	most       int           // events in one write
	queue      *queue
	breaker    *breaker
	rate       *rate.Limiter // nil: as fast as it goes
	quiet      limiter       // of the log
	letters    letterbox
	terms      *terms // that it has refused events for
	latency    prometheus.Observer
	connection *connection
	retries    atomic.Uint64

	// taking ends when the sink is halted: no further write begins. writing ends
	// when writes under way are cancelled, and taking with it.
	taking, writing context.Context
	halt, abort     context.CancelFunc
	done            chan struct{} // closed when all goroutines have ended
	successor       atomic.Pointer[sink]

	mu      sync.Mutex
	started bool
	stopped bool        // never to be started any more
	before  *sink       // the predecessor, until its queue was taken over
	carried QueueCounts // the counts of all predecessors
}

type flag = atomic.Bool

// edge is a way into a sink, and counts what went it.
type edge struct {
	sink *sink
	sent *atomic.Uint64
}

func (e *edge) put(ctx context.Context, events []*event.Event, r *receipt) error {
	e.sent.Add(uint64(len(events)))
	return e.sink.put(ctx, events, r)
}

// put adds events in order. It blocks for backpressure only; its error is ctx's,
// and then some of the events are settled with it.
func (s *sink) put(ctx context.Context, events []*event.Event, r *receipt) error {
	done, err := s.queue.put(ctx, events, r)
	if errors.Is(err, errMoved) {
		return s.successor.Load().put(ctx, events[done:], r)
	}
	return err
}

// gap notes that events may be missing before the next one that is put.
func (s *sink) gap(g plugin.Gap) {
	if next := s.successor.Load(); next != nil {
		next.gap(g)
		return
	}
	s.queue.gap(g)
}

// start starts the goroutines of the sink, unless it was stopped before; then what
// it has inherited is given back.
func (s *sink) start() {
	s.mu.Lock()
	s.started = !s.stopped
	s.mu.Unlock()
	if s.started {
		go s.run()
	} else {
		s.queue.returnRest(errStopping)
	}
}

// stop keeps the sink from being started, and says whether it was.
func (s *sink) stop() (started bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	return s.started
}

// run opens the sink and runs its workers, until it is drained or halted.
func (s *sink) run() {
	defer close(s.done)
	defer s.health.stopped()
	if !s.open() {
		return
	}
	var others sync.WaitGroup
	for range s.spec.Delivery.Workers - 1 {
		others.Go(newWorker(s).run)
	}
	first := newWorker(s)
	first.pinger, _ = s.impl.(plugin.Pinger)
	first.run()
	others.Wait()
}

// pause waits for d before the next attempt to open; it says false where the sink
// is halted, or is to drain and nothing is in it to open for.
func (s *sink) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for ended := s.queue.ended; ; ended = nil {
		select {
		case <-s.taking.Done():
			return false
		case <-t.C:
			return true
		case <-ended:
			if s.queue.drained() {
				return false
			}
		}
	}
}

// drain lets the workers deliver what waits and end. Writes that are not done at
// abortAt are cancelled, and the rest is given back, with what waits for a later
// attempt. It says whether the plugin
// has let go by deadline.
func (s *sink) drain(abortAt, deadline time.Time) bool {
	s.queue.close(abortAt)
	s.breaker.stop(abortAt)
	ended := !s.stop() || endedBy(s.done, abortAt)
	if !ended {
		s.abort()
		ended = endedBy(s.done, deadline)
	}
	s.queue.returnRest(errStopping)
	return ended
}

// respec notes what has changed around a sink that runs on. A receiver that wanted
// nothing any more is asked again.
func (s *sink) respec(spec SinkSpec) {
	s.breaker.enable()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spec.Delivery.DeadLetter = spec.Delivery.DeadLetter
}

func (s *sink) status() SinkStatus {
	h := s.health.snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := SinkStatus{
		Name: s.name, Type: s.spec.Type.Name(), Health: h, DeadLetter: s.spec.Delivery.DeadLetter,
		Retries: s.retries.Load(), Breaker: s.breaker.status(), QueueCounts: s.carried.plus(s.queue.snapshot()),
	}
	st.Failing = h.Failing || st.Breaker.State != BreakerClosed || st.Retrying > 0
	if s.before != nil {
		old := s.before.status()
		st.QueueCounts = st.QueueCounts.plus(old.QueueCounts)
		st.Retries += old.Retries
	}
	return st
}
