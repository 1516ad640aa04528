package delivery

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/internal/tracing"
	"eventgateway/gateway/logsample"
	"eventgateway/gateway/plugin"
)

// Config is what a sink is made of.
type Config struct {
	*component.Component
	Type          plugin.SinkType
	Impl          plugin.Sink
	PluginOptions any // as the type has them
	Options       Options
	Latency       *stats.Latency
	DeadLetters   *deadletter.Box
	Tracing       *tracing.Switch
	// OnFenced is called where the sink has refused an event because a leader of a later term has written.
	OnFenced func(leader string, term int64)
	Tap      *tap.Point // nil: taps are off
}

// Sink delivers the events of one queue to a plugin.
type Sink struct {
	Config
	// Fill fills the history of the plugin, and returns the reason of a gap, or "". It ends when ctx does.
	// It is set before Start. nil: the plugin takes no history from a source.
	Fill    func(ctx context.Context) (gap string)
	Hide    atomic.Pointer[tap.Policy] // what viewers may see of its events
	opener  plugin.Opener              // nil where the plugin has no Open
	gapSink plugin.GapSink             // nil where the plugin takes no gaps
	shared  bool                       // the plugin is the predecessor's: only the router's options differ
	most    int                        // events in one write
	queue   *queue.Queue
	breaker *breaker
	rate    *rate.Limiter     // nil: no limit
	sampler logsample.Sampler // of delayed events
	conn    *connection
	retries *atomic.Uint64 // writes after the first of an event

	attempts *attempts // the latest ones, if the plugin reports them

	taking, writing context.Context    // end with the phases halted and aborted
	endTaking       context.CancelFunc // ends taking
	endWriting      context.CancelFunc // ends both
	done            chan struct{}      // closed when all workers have ended

	mu         sync.Mutex
	phase      phase
	started    bool
	deadLetter string // the name of the sink that gets the dead letters
}

// phase is where a sink is in its life. It only goes forward.
type phase int

const (
	built    phase = iota // no worker runs yet
	running               // workers deliver
	draining              // workers deliver what waits, and end
	halted                // no write begins any more; writes under way go on
	aborted               // writes under way are canceled
)

// New returns a sink that is not started. predecessor is the sink of that name which runs, or nil: the new sink goes
// on with its queue. samePlugin says that the new one has the predecessor's plugin, too.
func New(cfg Config, predecessor *Sink, samePlugin bool) *Sink {
	s := &Sink{Config: cfg, shared: samePlugin, done: make(chan struct{}), conn: &connection{}, retries: &atomic.Uint64{}, attempts: &attempts{}, deadLetter: cfg.Options.DeadLetter}
	s.breaker = newBreaker(&s.Options)
	if predecessor != nil {
		s.queue, s.retries, s.breaker.opened, s.attempts = predecessor.queue, predecessor.retries, predecessor.breaker.opened, predecessor.attempts
	} else {
		s.queue = queue.New(s.queueConfig())
	}
	if samePlugin {
		s.conn = predecessor.conn
	}
	s.opener, _ = cfg.Impl.(plugin.Opener)
	s.gapSink, _ = cfg.Impl.(plugin.GapSink)
	s.most = cfg.Options.Queue.Batch
	if n, bounded := cfg.Type.MaxBatch(); bounded {
		s.most = min(s.most, n)
	}
	if n := cfg.Options.Rate; n > 0 {
		burst := max(n/10, 1) // the events of a tenth of a second
		s.most = min(s.most, burst)
		s.rate = rate.NewLimiter(rate.Limit(n), burst)
	}
	s.writing, s.endWriting = context.WithCancel(context.Background()) // a stop drains the sink first
	s.taking, s.endTaking = context.WithCancel(s.writing)
	return s
}

// Put puts events into the queue, as [queue.Queue.Put] does.
func (s *Sink) Put(ctx context.Context, events []*event.Event, r *ack.Receipt) error {
	if s.Tap.Watched() {
		s.showEnqueued(events)
	}
	return s.queue.Put(ctx, events, r)
}

// Queue returns the queue.
func (s *Sink) Queue() *queue.Queue { return s.queue }

// Shares reports whether the sink has the plugin of its predecessor.
func (s *Sink) Shares() bool { return s.shared }

// Start starts the workers. Where the sink was stopped before, its events are returned.
func (s *Sink) Start() {
	if s.advance(running) {
		go s.run()
	} else {
		s.queue.ReturnRest(ack.ErrStopping)
	}
}

// advance moves the sink to a later phase. It reports false where the sink is there already, or further.
func (s *Sink) advance(to phase) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= to {
		return false
	}
	s.phase = to
	s.started = s.started || to == running
	return true
}

// preventStart keeps the sink from being started any more, and reports whether it was.
func (s *Sink) preventStart() (started bool) {
	s.advance(draining)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started
}

// Halt lets no further write begin. Writes under way go on.
func (s *Sink) Halt() {
	s.advance(halted)
	s.endTaking()
}

// Abort cancels writes under way, and an Open.
func (s *Sink) Abort() {
	s.advance(aborted)
	s.endWriting()
}

// run opens the sink and runs its workers, until it is drained or halted.
func (s *Sink) run() {
	defer close(s.done)
	defer s.Health.Stopped()
	if !s.open() || !s.fillHistory() {
		return
	}
	var others sync.WaitGroup
	for range s.Options.Workers - 1 {
		others.Go(newWorker(s).run)
	}
	first := newWorker(s)
	first.pinger, _ = s.Impl.(plugin.Pinger)
	first.run()
	others.Wait()
}

// Drain lets the workers deliver the events that wait, and end. At abortAt it cancels writes under way, and
// returns the events that are left. It reports whether the workers have ended by deadline.
func (s *Sink) Drain(abortAt, deadline time.Time) bool {
	s.queue.Close(abortAt)
	s.breaker.stop(abortAt)
	ended := !s.preventStart() || backoff.ClosedBy(s.done, abortAt)
	if !ended {
		s.Abort()
		ended = backoff.ClosedBy(s.done, deadline)
	}
	s.queue.ReturnRest(ack.ErrStopping)
	return ended
}

// Ended reports whether no worker runs.
func (s *Sink) Ended() bool { return !s.preventStart() || backoff.ClosedBy(s.done, time.Now()) }

// Adopt applies the sink's queue options at once, before its predecessor has ended.
func (s *Sink) Adopt() { s.queue.SetOptions(s.Options.Queue) }

// TakeOver ends the predecessor after its writes under way, and starts s with its queue. It cancels writes that have
// not ended at abortAt. A plugin that does not return even then keeps s from starting: two must not work
// at the same time.
func (s *Sink) TakeOver(predecessor *Sink, abortAt time.Time) {
	predecessor.Halt()
	if !backoff.ClosedBy(predecessor.done, abortAt) {
		s.Log.Warn("write of replaced sink canceled")
		predecessor.Abort()
		<-predecessor.done
	}
	s.queue.Reconfigure(s.queueConfig())
	if !s.shared { // else the health is the same
		s.Health.Inherit(predecessor.Health)
	}
	s.Start()
}

// Respec notes what has changed around a sink that runs on. A disabled sink is written to again.
func (s *Sink) Respec(o Options) {
	s.breaker.enable()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadLetter = o.DeadLetter
}

// Recheck makes workers that wait for the breaker look again at whether their events may be written.
func (s *Sink) Recheck() { s.breaker.recheck() }

// putMissedGap puts a gap before the events that wait: the readers behind a sink that takes gaps do not get an event
// that was parked.
func (s *Sink) putMissedGap(reason string) {
	if s.gapSink != nil {
		s.queue.PutGapFirst(plugin.Gap{Reason: reason, ID: rand.Text(), Time: time.Now()})
	}
}

// Status returns the state and the counts of the sink.
func (s *Sink) Status() stats.SinkStatus {
	h := s.Health.Health()
	s.mu.Lock()
	deadLetter := s.deadLetter
	s.mu.Unlock()
	st := stats.SinkStatus{
		Name: s.Name, Type: s.Type.Name(), Health: h, DeadLetter: deadLetter,
		Retries: s.retries.Load(), NegativeLatency: s.Latency.Negative(), Breaker: s.breaker.status(), QueueCounts: s.queue.Counts(),
		Paths: s.Mounts.Upgrades(), NeedsToken: s.Mounts.NeedToken(), Lists: s.Lists(), Snapshots: s.Mounts.Snapshots(),
	}
	st.Failing = h.Failing || st.Breaker.State != stats.BreakerClosed || st.Retrying > 0
	return st
}
