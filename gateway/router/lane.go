package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// lane is one worker of a sink: a queue, and the goroutine that delivers what
// waits in it.
type lane struct {
	sink   *sink
	queue  *queue
	events []*event.Event // scratch of the goroutine
}

// run delivers until the queue is closed and drained, or the sink is halted; what
// is in its hands then, it puts back.
func (l *lane) run() {
	s := l.sink
	var batch []item
	for {
		var gap *plugin.Gap
		var ok bool
		batch, gap, ok = l.queue.take(s.taking, batch[:0], s.most)
		switch {
		case !ok:
			return
		case gap != nil:
			if g, ok := s.impl.(plugin.GapSink); ok {
				_ = s.guard(func(ctx context.Context) error { g.Gap(ctx, *gap); return nil }) // a panic is noted there
			}
		default:
			left := l.deliver(batch)
			l.queue.putBack(left)
			clear(batch)
		}
	}
}

// deliver writes items, again and again, until each is settled. It returns those
// that a halt has left.
func (l *lane) deliver(items []item) (left []item) {
	s := l.sink
	b := s.newBackoff()
	for attempt := 1; ; attempt++ {
		err := l.write(items)
		if err == nil {
			s.health.up()
			l.delivered(items)
			return nil
		}
		failed, reasons := l.partly(items, err)
		if s.writing.Err() != nil { // the write was cut short: that is no verdict on the events
			return failed
		}
		var panicked *panicError
		alone := errors.As(err, &panicked) && len(items) > 1
		again, asked := failed, time.Duration(0)
		if !alone {
			again, asked = l.judge(failed, reasons, attempt)
		}
		if len(again) == 0 {
			s.health.note(err)
			return nil
		}
		items = again
		pause := max(b.next(), min(asked, s.spec.Delivery.Retry.Max.D()))
		s.health.down(err, pause)
		if !sleep(s.taking, pause) {
			return items
		}
		s.retries.Add(1)
		if alone {
			return l.oneByOne(items)
		}
	}
}

// oneByOne gives each event of a batch that made the sink panic a write of its
// own, so that only the one which causes it is parked.
func (l *lane) oneByOne(items []item) (left []item) {
	for i := range items {
		if l.sink.writing.Err() != nil {
			return items[i:]
		}
		if left := l.deliver(items[i : i+1]); len(left) > 0 {
			return items[i:]
		}
	}
	return nil
}

func (l *lane) delivered(items []item) {
	now := time.Now()
	for _, it := range items {
		l.sink.latency.Observe(now.Sub(it.ev.Time).Seconds())
	}
	l.queue.count(len(items), delivered)
	finish(items, nil)
}

func (l *lane) write(items []item) error {
	l.events = l.events[:0]
	for _, it := range items {
		l.events = append(l.events, it.ev)
	}
	defer clear(l.events)
	return l.sink.guard(func(ctx context.Context) error { return l.sink.impl.Write(ctx, l.events) })
}

// guard calls f with the sink's timeout and turns a panic into an error.
func (s *sink) guard(f func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = plugin.Permanent(&panicError{p})
			s.health.panicked(p)
		}
	}()
	timed, cancel := context.WithTimeout(s.writing, s.spec.Delivery.Timeout.D())
	defer cancel()
	if err = f(timed); err != nil && timed.Err() != nil && s.writing.Err() == nil {
		return fmt.Errorf("gave up after timeout %v: %w", s.spec.Delivery.Timeout, err)
	}
	return err
}

type panicError struct{ value any }

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }
