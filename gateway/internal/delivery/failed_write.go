package delivery

import (
	"log/slog"
	"slices"
	"time"

	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/plugin"
)

// classify decides what a failed write means.
func (s *Sink) classify(items []queue.Item, r result) verdict {
	attempts := make([]int, len(items))
	for i := range items {
		attempts[i] = items[i].Attempts()
	}
	retry, pauses := &s.Options.Retry, map[int]time.Duration{} // events that fail together are retried together
	return classify(r, attempts, retry, func(n int) time.Duration {
		if _, ok := pauses[n]; !ok {
			pauses[n] = retry.pause(n)
		}
		return pauses[n]
	})
}

// completeDelivered completes the items that were delivered, and returns the others with their decisions.
func (w *worker) completeDelivered(items []queue.Item, all []decision) (failed []queue.Item, decisions []decision) {
	if !slices.ContainsFunc(all, func(d decision) bool { return d.action == deliver }) {
		return items, all
	}
	var done []queue.Item
	for i, d := range all {
		if d.action == deliver {
			done = append(done, items[i])
		} else {
			failed, decisions = append(failed, items[i]), append(decisions, d)
		}
	}
	w.delivered(done)
	return failed, decisions
}

// apply carries out the decisions on items that have failed. It returns those to write again together, in
// order, and how many are delayed.
func (w *worker) apply(items []queue.Item, decisions []decision, disable bool) (again []queue.Item, delayed int) {
	s, now := w.sink, time.Now()
	var dead []func()
	apart := false // an event waits for its own next attempt
	watched := s.Tap.Watched()
	for i, it := range items {
		d := decisions[i]
		if watched && d.action != park {
			s.showFailed(it, d)
		}
		if known, ok := plugin.FencedBy(d.err); ok && it.Event.Fence != nil {
			s.OnFenced(it.Event.Fence.Leader, known)
		}
		switch d.action {
		case park:
			failure := deadletter.Failure{Component: "sink " + s.Name, Err: d.err, Attempts: d.attempts}
			dead = append(dead, func() { w.park(it, failure) })
			continue
		case isolate:
			it.Retry = &queue.Retry{Attempts: d.attempts, Due: now, Alone: true}
			apart = true
		case delay:
			it.Retry = &queue.Retry{Attempts: d.attempts, Due: now.Add(d.pause)}
			if d.remember {
				it.Receipt.AttemptFailed(d.attempts, now)
			}
			apart = true
		case together:
			if d.attempts != it.Attempts() {
				it.Retry = &queue.Retry{Attempts: d.attempts, Due: now}
			}
		}
		again = append(again, it)
	}
	if disable || !apart && len(dead) == 0 {
		return again, 0
	}
	// All are delayed, so that events of a key stay in order. A dead-letter sink may block this worker,
	// but not the other events of the batch.
	s.queue.Delay(again)
	for _, park := range dead {
		park()
	}
	return nil, len(again)
}

// park parks an item that cannot be delivered.
func (w *worker) park(it queue.Item, f deadletter.Failure) {
	s := w.sink
	if s.DeadLetters.Park(s.writing, it, f) {
		s.Tap.Show(s.Hide.Load, it.Event, tap.DeadLettered, f.Err.Error(), f.Attempts)
		s.queue.Complete([]queue.Item{it}, queue.DeadLettered)
		s.putMissedGap("events could not be delivered, and were parked")
		return
	}
	s.Tap.Show(s.Hide.Load, it.Event, tap.Returned, f.Err.Error(), f.Attempts)
	it.Receipt.Done(f.Err) // before a later event of its key may go on
	s.queue.Complete([]queue.Item{it}, queue.Returned)
}

// reportFailure records and logs a failed write: the sink is down, or events fail and delayed of them are retried.
func (s *Sink) reportFailure(err error, delayed int, pause time.Duration) {
	switch {
	case s.disabledBy(err):
		return
	case pause > 0:
		s.down(err, pause)
		return
	}
	s.Health.Up()
	s.Health.Failed(err)
	if delayed == 0 { // parked, which is logged there
		return
	}
	s.sampler.Log(s.Log, slog.LevelWarn, "event delayed", stats.ErrorAttrs(err)...)
}

// down records that nothing is written for a pause, unless another worker's write has shown
// meanwhile that the sink works, and has recorded that first.
func (s *Sink) down(err error, pause time.Duration) {
	s.Health.Down(err, pause)
	if s.breaker.isClosed() {
		s.Health.Up()
	}
}

// disabledBy reports whether err disables the sink, and does so.
func (s *Sink) disabledBy(err error) bool {
	if !plugin.IsDisabling(err) {
		return false
	}
	if s.breaker.disable(err.Error()) {
		s.Health.Disabled(err)
		s.Log.Error("sink disabled", append(stats.ErrorAttrs(err), "effect", "its events stay queued", "hint", "reload the configuration to try again")...)
	}
	return true
}
