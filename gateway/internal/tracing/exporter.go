package tracing

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"eventgateway/gateway/internal/backoff"
)

const (
	queueSize = 2048             // spans that wait
	batchSize = 512              // spans of a request
	maxWait   = time.Second      // of a span for others, before a request is made
	maxOutage = 30 * time.Second // how long a batch is sent again before it is dropped
	sendTime  = 10 * time.Second // of one request
	minPause  = 500 * time.Millisecond
	maxPause  = 5 * time.Second
	maxAsked  = time.Minute // of a pause that the receiver asks for
)

// exporter sends spans to a receiver, in one goroutine.
type exporter struct {
	log     *slog.Logger
	metrics *Metrics
	sender  sender
	queue   chan *Span

	mu      sync.RWMutex
	closed  bool          // further spans are dropped
	closing chan struct{} // closed with it
	ended   chan struct{}
	ctx     context.Context // of requests
	cancel  context.CancelFunc

	// The goroutine uses these.
	failedSince time.Time // of the present outage; zero: there is none
	lost        int       // spans dropped in it
}

// New returns a Tracer that sends spans as o says. The options must be enabled and valid; version is the gateway's. The caller
// ends the Tracer by Shutdown.
func New(o Options, version string, m *Metrics, log *slog.Logger) *Tracer {
	e := &exporter{log: log, metrics: m, sender: newSender(o, version), queue: make(chan *Span, queueSize), closing: make(chan struct{}), ended: make(chan struct{})}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	go e.run()
	return &Tracer{all: o.Sample >= 1, sample: uint64(float64(o.Sample) * math.MaxUint64), exporter: e}
}

// Shutdown sends what is in the queue until ctx ends, and drops the rest. A nil *Tracer has nothing to send.
func (t *Tracer) Shutdown(ctx context.Context) {
	if t == nil {
		return
	}
	e := t.exporter
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.closing)
	}
	e.mu.Unlock()
	stop := context.AfterFunc(ctx, e.cancel)
	defer stop()
	<-e.ended
	e.cancel()
}

// put puts a span into the queue, or drops it where the queue is full. It never waits.
func (e *exporter) put(s *Span) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		e.metrics.drop(dropStop, 1)
		return
	}
	select {
	case e.queue <- s:
	default:
		e.metrics.drop(dropQueue, 1)
	}
}

// run sends spans until the exporter is closed and its queue is empty.
func (e *exporter) run() {
	defer close(e.ended)
	defer e.sender.close()
	var batch []*Span
	for {
		batch = e.take(batch[:0])
		if len(batch) == 0 {
			return
		}
		e.send(batch)
		clear(batch)
	}
}

// take waits for a span, and returns it with those that follow within a second. It returns none when the exporter is closed and
// its queue is empty.
func (e *exporter) take(batch []*Span) []*Span {
	select {
	case s := <-e.queue:
		batch = append(batch, s)
	case <-e.closing:
	}
	wait := time.NewTimer(maxWait)
	defer wait.Stop()
	for len(batch) < batchSize {
		select {
		case s := <-e.queue:
			batch = append(batch, s)
			continue
		default:
		}
		select {
		case s := <-e.queue:
			batch = append(batch, s)
		case <-wait.C:
			return batch
		case <-e.closing:
			if len(e.queue) == 0 { // nothing is put any more
				return batch
			}
		}
	}
	return batch
}

// send sends a batch, repeats that while the receiver is away, and drops the batch after maxOutage.
func (e *exporter) send(batch []*Span) {
	body, err := e.sender.encode(batch)
	if err != nil {
		e.giveUp(len(batch), dropExport, err)
		return
	}
	retry := backoff.Backoff{Initial: minPause, Max: maxPause}
	for begin := time.Now(); ; {
		rejected, err := e.sender.post(e.ctx, body)
		if err == nil {
			e.taken(len(batch), min(max(rejected, 0), len(batch)))
			return
		}
		var again *retryable
		if !errors.As(err, &again) {
			e.giveUp(len(batch), dropExport, err)
			return
		}
		e.fails(err)
		pause := max(retry.Next(), min(again.asked, maxAsked))
		if time.Since(begin)+pause > maxOutage {
			e.giveUp(len(batch), dropExport, err)
			return
		}
		if !e.sleep(pause) {
			e.giveUp(len(batch), dropStop, err)
			return
		}
	}
}

// taken counts spans that the receiver has taken, and logs the end of an outage.
func (e *exporter) taken(n, rejected int) {
	e.metrics.exported.Add(float64(n - rejected))
	e.metrics.drop(dropRejected, rejected)
	switch {
	case rejected > 0:
		e.fails(errRejected)
	case !e.failedSince.IsZero():
		e.log.Info("traces exported again", "receiver", e.sender.origin, "outage", time.Since(e.failedSince).Round(time.Millisecond).String(), "spans_given_up", e.lost)
		e.failedSince, e.lost = time.Time{}, 0
	}
}

var errRejected = errors.New("the receiver has rejected spans")

// fails logs the beginning of an outage.
func (e *exporter) fails(err error) {
	if e.failedSince.IsZero() {
		e.failedSince = time.Now()
		e.log.Warn("traces not exported", "receiver", e.sender.origin, "error", err, "effect", "spans are dropped if their queue is full; events are not affected")
	}
}

// giveUp drops n spans.
func (e *exporter) giveUp(n int, reason string, err error) {
	e.fails(err)
	e.metrics.drop(reason, n)
	e.lost += n
}

// sleep waits for a pause. It reports false if the exporter is closed before: then there is no time to wait.
func (e *exporter) sleep(pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-e.closing:
		return false
	}
}
