package delivery

import (
	"slices"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/tracing"
	"eventgateway/gateway/plugin"
)

// worker delivers events of one sink, in its own goroutine.
type worker struct {
	sink   *Sink
	pinger plugin.Pinger // nil: this worker does not ping
	timer  *component.CallTimer
	events []*event.Event // scratch of write

	reports *reports                   // of attempts; nil: the plugin reports none
	report  func(plugin.AttemptReport) // to reports
}

func newWorker(s *Sink) *worker {
	w := &worker{sink: s, timer: s.NewCallTimer()}
	if s.ReportsAttempts() {
		w.reports = &reports{}
		w.report = w.reports.add
	}
	return w
}

// run delivers until the queue is closed and drained, or the sink is halted. Then it puts back what it has taken.
func (w *worker) run() {
	defer w.timer.Stop()
	s := w.sink
	var batch []queue.Item
	for s.breaker.await(s.taking, s.queue.Drained) {
		var gap *plugin.Gap
		var ok bool
		batch, gap, ok = w.take(batch[:0])
		switch {
		case !ok:
			return
		case gap != nil:
			if !w.deliverGap(*gap) {
				s.queue.PutGapFirst(*gap)
				return
			}
		case len(batch) == 0:
			w.ping()
		default:
			if left := w.deliver(batch); len(left) > 0 {
				s.queue.PutBack(left)
				return
			}
			clear(batch)
		}
	}
}

// deliver writes items, with retries, until each is settled or delayed. It returns the other items if the sink is halted.
func (w *worker) deliver(items []queue.Item) (left []queue.Item) {
	s := w.sink
	tries := 0
	for retry := anyTried(items); ; retry = true {
		p, ok := s.acquire(items)
		before := len(items)
		items = s.queue.ReturnRevoked(items)
		switch {
		case ok && len(items) == 0:
			s.breaker.release(p, noSignal, 0)
			return nil
		case !ok && len(items) > 0 && len(items) < before: // the others may be written
			continue
		case !ok:
			return items
		}
		if retry {
			s.retries.Add(1)
		}
		r := w.write(items)
		tries++
		number := attemptNumber(items, tries)
		if r.span != nil {
			r.span.Set("attempt", number)
		}
		if r.err == nil {
			r.span.End(tracing.OutcomeDelivered, nil)
			s.breaker.release(p, sinkWorks, 0)
			s.Health.Up()
			w.recordAttempts(items, number, attemptOutcome{outcome: AttemptDelivered})
			w.delivered(items)
			return nil
		}
		v := s.classify(items, r)
		if r.span != nil {
			s.endSpan(r.span, v)
		}
		var decisions []decision
		written := items
		items, decisions = w.completeDelivered(items, v.events)
		if s.writing.Err() != nil { // the write was cut short, which says nothing of its events
			s.breaker.release(p, noSignal, 0)
			w.recordAttempts(written, number, attemptOutcome{outcome: AttemptFailed, err: v.cause})
			return items
		}
		if v.signal == eventsFailed && !p.probe && !slices.ContainsFunc(items, func(it queue.Item) bool { return it.Retry == nil }) {
			v.signal = noSignal // events that fail again say nothing new of the sink
		}
		pause := s.breaker.release(p, v.signal, v.asked) // before a dead letter, whose sink may block
		w.recordAttempts(written, number, failedAttempt(v, pause))
		var delayed int
		items, delayed = w.apply(items, decisions, v.disable)
		s.reportFailure(v.cause, delayed, pause)
		if len(items) == 0 {
			return nil
		}
	}
}

// acquire waits for a permit to write items. It reports false where the sink stops before, or where
// the leadership of some was lost.
func (s *Sink) acquire(items []queue.Item) (permit, bool) {
	for {
		p, ok := s.breaker.acquire(s.taking, func() bool { return queue.AnyRevoked(items) })
		if !ok || s.rate == nil {
			return p, ok
		}
		if s.rate.WaitN(s.taking, len(items)) != nil {
			s.breaker.release(p, noSignal, 0)
			return p, false
		}
		if s.breaker.valid(p) {
			return p, true
		}
		s.breaker.release(p, noSignal, 0) // other writes have failed meanwhile
	}
}

func (w *worker) delivered(items []queue.Item) {
	if w.sink.Tap.Watched() {
		w.sink.showDelivered(items)
	}
	w.sink.Latency.Delivered(time.Now(), len(items), func(i int) *event.Event { return items[i].Event })
	w.sink.queue.Complete(items, queue.Delivered)
	queue.Done(items, nil)
}

func anyTried(items []queue.Item) bool {
	return slices.ContainsFunc(items, func(it queue.Item) bool { return it.Retry != nil })
}
