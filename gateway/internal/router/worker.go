package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// worker delivers what waits for a sink.
type worker struct {
	sink   *sink
	pinger plugin.Pinger // what asks the sink's server whether it is there; nil: this worker does not
	late   *callTimer
	events []*event.Event // scratch of its goroutine
}

func newWorker(s *sink) *worker { return &worker{sink: s, late: newCallTimer(&s.component)} }

// run delivers until the queue is closed and drained, or the sink is halted; what
// is in its hands then, it puts back.
func (w *worker) run() {
	s := w.sink
	var batch []item
	for s.breaker.await(s.taking, s.queue.finished) {
		var gap *plugin.Gap
		var ok bool
		batch, gap, ok = w.take(batch[:0])
		switch {
		case !ok:
			return
		case gap == nil && len(batch) == 0:
			w.ping()
		case gap != nil:
			if !w.tell(*gap) {
				s.queue.gapAgain(*gap)
				return
			}
		default:
			left := w.deliver(batch)
			if len(left) > 0 {
				s.queue.putBack(left)
				return
			}
			clear(batch)
		}
	}
}

// deliver writes items, again and again, until each is settled or waits for its own
// next attempt. It returns those that a halt has left.
func (w *worker) deliver(items []item) (left []item) {
	s := w.sink
	for again := wereTried(items); ; again = true {
		pass, ok := s.enter(items)
		before := len(items)
		items = s.queue.leaveOut(items)
		switch {
		case ok && len(items) == 0:
			s.breaker.leave(pass, silent, 0)
			return nil
		case !ok && len(items) > 0 && len(items) < before: // the others may be written
			continue
		case !ok:
			return items
		}
		if again {
			s.retries.Add(1)
		}
		o := w.write(items)
		if o.err == nil {
			s.breaker.leave(pass, works, 0)
			s.health.up()
			w.delivered(items)
			return nil
		}
		j := w.judge(items, o)
		if s.writing.Err() != nil { // the write was cut short: that is no verdict on the events
			s.breaker.leave(pass, silent, 0)
			return j.failed
		}
		if j.verdict == eventBad && !pass.probe && !slices.ContainsFunc(j.failed, func(it item) bool { return it.trial == nil }) {
			j.verdict = silent // events that fail again say nothing new of the sink
		}
		pause := s.breaker.leave(pass, j.verdict, j.asked) // before a dead letter that may have to wait
		var held int
		items, held = w.rule(j)
		s.say(j, held, pause)
		if len(items) == 0 {
			return nil
		}
	}
}

// enter waits for the leave to write items; it says false where the sink stops before, or
// where some were withdrawn.
func (s *sink) enter(items []item) (pass, bool) {
	for {
		p, ok := s.breaker.enter(s.taking, func() bool { return anyWithdrawn(items) })
		if !ok || s.rate == nil {
			return p, ok
		}
		if s.rate.WaitN(s.taking, len(items)) != nil {
			s.breaker.leave(p, silent, 0)
			return p, false
		}
		if s.breaker.still(p) {
			return p, true
		}
		s.breaker.leave(p, silent, 0) // meanwhile others have failed
	}
}

// say notes a failure: the sink is down, or events of it fail.
func (s *sink) say(j judgement, held int, pause time.Duration) {
	err := j.cause
	switch {
	case s.disabledBy(err):
		return
	case pause > 0:
		s.down(err, pause)
		return
	}
	s.health.up()
	s.health.note(err)
	if held == 0 { // parked, which is said there
		return
	}
	if more, ok := s.quiet.allow(); ok {
		s.log.Warn("an event failed: it is tried again, and the others go on", "error", err, "others_since_the_last_line", more)
	}
}

// down notes that nothing is written for a pause, unless another worker's write has shown
// meanwhile that the sink works: that one has noted it first.
func (s *sink) down(err error, pause time.Duration) {
	s.health.down(err, pause)
	if s.breaker.closed() {
		s.health.up()
	}
}

// disabledBy reports whether err says that the sink is not to be written to any more, and notes it.
func (s *sink) disabledBy(err error) bool {
	if !plugin.IsDisabling(err) {
		return false
	}
	if s.breaker.disable(err.Error()) {
		s.health.disabled(err)
		s.log.Error("disabled: nothing is written, and what waits is kept. Reload the configuration to try again", "error", err)
	}
	return true
}

func (w *worker) delivered(items []item) {
	now := time.Now()
	for _, it := range items {
		w.sink.latency.Observe(now.Sub(it.ev.Time).Seconds())
	}
	w.sink.queue.settle(items, delivered)
	finish(items, nil)
}

// write writes items. What the plugin says of each is evaluated under the guard, too: an error
// of a plugin's own type may panic.
func (w *worker) write(items []item) (o answer) {
	s := w.sink
	w.events = w.events[:0]
	for _, it := range items {
		w.events = append(w.events, it.ev)
	}
	defer clear(w.events)
	o.err = s.call("Write", w.late, func(ctx context.Context) error {
		err := s.impl.Write(ctx, w.events)
		if err == nil {
			return nil
		}
		each, single := plugin.Outcomes(err, len(items))
		if !single {
			return each[0]
		}
		for i, why := range each {
			each[i] = s.redactor.Error(why)
		}
		o.each, o.single = each, true
		return err
	})
	if o.err != nil && !o.single {
		o.each = slices.Repeat([]error{o.err}, len(items))
	}
	return o
}

// guard calls a method of the plugin, f, with the sink's timeout, and turns a panic into an error.
func (s *sink) guard(method string, late *callTimer, f func(context.Context) error) (err error) {
	late.call(method, s.spec.Delivery.Timeout.D())
	defer late.returned()
	defer func() {
		if p := recover(); p != nil {
			err = plugin.Permanent(s.redactor.Error(&panicError{p}))
			s.health.panicked(p)
		}
	}()
	timed, cancel := context.WithTimeout(s.writing, s.spec.Delivery.Timeout.D())
	defer cancel()
	if err = s.redactor.Error(f(timed)); err != nil && timed.Err() != nil && s.writing.Err() == nil {
		return fmt.Errorf("gave up after timeout %v: %w", s.spec.Delivery.Timeout, err)
	}
	return err
}

type panicError struct{ value any }

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func isPanic(err error) bool {
	var p *panicError
	return errors.As(err, &p)
}
