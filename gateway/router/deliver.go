package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// errStopping is what the receipts of events hear that a shutdown gave up.
var errStopping = errors.New("the gateway is stopping")

// sink delivers what waits in one queue to one plugin.Sink.
type sink struct {
	spec    SinkSpec
	impl    plugin.Sink
	queue   *queue
	health  *health
	log     *slog.Logger
	letters *deadLetters
	latency prometheus.Observer
	retries atomic.Uint64

	events []*event.Event // scratch of the sink's goroutine
}

// run delivers until the queue is closed and drained, or ctx ends.
func (s *sink) run(ctx context.Context) {
	defer s.health.stopped()
	defer s.queue.returnRest(errStopping)
	if !s.open(ctx) {
		return
	}
	most := s.spec.Delivery.Queue.Batch
	if b, ok := s.impl.(plugin.Batcher); ok {
		most = min(most, b.MaxBatch())
	}
	var batch []item
	for {
		var gap *plugin.Gap
		var ok bool
		batch, gap, ok = s.queue.take(ctx, batch[:0], most)
		switch {
		case !ok:
			return
		case gap != nil:
			if g, ok := s.impl.(plugin.GapSink); ok {
				_ = s.guard(ctx, func(ctx context.Context) error { g.Gap(ctx, *gap); return nil }) // a panic is logged there
			}
		default:
			s.deliver(ctx, batch)
			clear(batch)
		}
	}
}

// open opens the sink, with retries, and says whether it is open.
func (s *sink) open(ctx context.Context) bool {
	o, ok := s.impl.(plugin.Opener)
	b := s.newBackoff()
	for ok {
		err := s.guard(ctx, o.Open)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return false
		}
		pause := b.next()
		s.health.down(err, pause)
		if !s.pause(ctx, pause) {
			return false
		}
	}
	s.health.up()
	return true
}

// pause waits for d before the next attempt to open; it says false where ctx ends,
// or where the queue is closed and nothing is in it to open for.
func (s *sink) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for ended := s.queue.ended; ; ended = nil {
		select {
		case <-ctx.Done():
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

func (s *sink) newBackoff() backoff {
	r := s.spec.Delivery.Retry
	return backoff{initial: r.Initial.D(), max: r.Max.D()}
}

// deliver writes items, again and again, until each is settled.
func (s *sink) deliver(ctx context.Context, items []item) {
	b := s.newBackoff()
	for attempt := 1; ; attempt++ {
		err := s.write(ctx, items)
		if err == nil {
			s.health.up()
			s.delivered(items)
			return
		}
		if ctx.Err() != nil { // the write was cut short: that is no verdict on the events
			left, _ := s.partly(items, err)
			s.queue.settle(left, returned, errStopping)
			return
		}
		var panicked *panicError
		if errors.As(err, &panicked) && len(items) > 1 {
			s.oneByOne(ctx, items)
			return
		}
		left, asked := s.sift(items, err, attempt)
		if len(left) == 0 {
			s.health.note(err)
			return
		}
		items = left
		pause := max(b.next(), min(asked, s.spec.Delivery.Retry.Max.D()))
		s.health.down(err, pause)
		if !sleep(ctx, pause) {
			s.queue.settle(items, returned, errStopping)
			return
		}
		s.retries.Add(1)
	}
}

// oneByOne gives each event of a batch that made the sink panic a write of its
// own, so that only the one which causes it is parked.
func (s *sink) oneByOne(ctx context.Context, items []item) {
	for i := range items {
		s.deliver(ctx, items[i:i+1])
	}
}

// sift settles the items that err says are delivered or can never be. It
// returns those to try again, in order, and the pause that they ask for.
func (s *sink) sift(items []item, err error, attempt int) (again []item, pause time.Duration) {
	left, reasons := s.partly(items, err)
	last := s.spec.Delivery.Retry.Attempts > 0 && attempt >= s.spec.Delivery.Retry.Attempts
	for i, it := range left {
		if !last && !plugin.IsPermanent(reasons[i]) {
			again = append(again, it)
			pause = max(pause, plugin.RetryDelay(reasons[i]))
			continue
		}
		s.letters.park("sink "+s.spec.Name, it.ev, reasons[i], attempt)
		s.queue.settle(left[i:i+1], deadLettered, reasons[i])
	}
	return again, pause
}

// partly settles what a *plugin.Partial says is delivered. It returns the rest,
// each with its error.
func (s *sink) partly(items []item, err error) (left []item, reasons []error) {
	var p *plugin.Partial
	if !errors.As(err, &p) {
		return items, slices.Repeat([]error{err}, len(items))
	}
	var done []item
	for i, it := range items {
		if why := p.Failed[i]; why != nil {
			left, reasons = append(left, it), append(reasons, why)
		} else {
			done = append(done, it)
		}
	}
	s.delivered(done)
	return left, reasons
}

func (s *sink) delivered(items []item) {
	now := time.Now()
	for _, it := range items {
		s.latency.Observe(now.Sub(it.ev.Time).Seconds())
	}
	s.queue.settle(items, delivered, nil)
}

func (s *sink) write(ctx context.Context, items []item) error {
	s.events = s.events[:0]
	for _, it := range items {
		s.events = append(s.events, it.ev)
	}
	defer clear(s.events)
	return s.guard(ctx, func(ctx context.Context) error { return s.impl.Write(ctx, s.events) })
}

// guard calls f with the sink's timeout and turns a panic into an error.
func (s *sink) guard(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = plugin.Permanent(&panicError{p})
			s.log.Error("panic", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if t := s.spec.Delivery.Timeout.D(); t > 0 {
		timed, cancel := context.WithTimeout(ctx, t)
		defer cancel()
		if err = f(timed); err != nil && timed.Err() != nil && ctx.Err() == nil {
			return fmt.Errorf("gave up after timeout %v: %w", t, err)
		}
		return err
	}
	return f(ctx)
}

type panicError struct{ value any }

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func (s *sink) status() SinkStatus {
	h, failed := s.health.snapshot()
	return SinkStatus{
		Name: s.spec.Name, Type: s.spec.Type.Name(), Health: h,
		QueueCounts: s.queue.snapshot(), Retries: s.retries.Load(), Errors: failed,
	}
}
