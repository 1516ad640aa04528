package router

import (
	"time"

	"eventgateway/gateway/plugin"
)

// judgement is what a failed write means.
type judgement struct {
	failed   []item
	reasons  []error // of each
	whole    bool    // the sink failed, not single events
	alone    bool    // each event is to be written alone: one of them makes the sink panic
	disables bool    // the sink is not to be written to any more
	verdict  verdict
	asked    time.Duration // pause that the receiver asks for
	cause    error         // what is said of it
}

// answer is what a write has returned.
type answer struct {
	err    error
	each   []error // what it says of each event: nil where it was delivered
	single bool    // single events have failed, and not the sink
}

// judge settles what was delivered.
func (w *worker) judge(items []item, o answer) judgement {
	if !o.single {
		j := judgement{
			failed: items, reasons: o.each, whole: true, alone: isPanic(o.err) && len(items) > 1,
			disables: plugin.IsDisabling(o.err), verdict: failing(o.err), asked: w.sink.asked(o.err), cause: o.err,
		}
		if plugin.IsPermanent(o.err) && !j.alone { // these events will not do: that is no pause for others
			j.verdict = works
		}
		return j
	}
	j := judgement{verdict: eventBad, cause: o.err}
	var done []item
	for i, it := range items {
		why := o.each[i]
		if why == nil {
			done = append(done, it)
			continue
		}
		j.failed, j.reasons = append(j.failed, it), append(j.reasons, why)
		if plugin.IsPermanent(why) {
			j.verdict = works
		}
	}
	if len(done) > 0 {
		j.verdict = works
	}
	for _, why := range j.reasons {
		if plugin.IsAway(why) { // whatever it took before that
			j.verdict, j.asked, j.cause = sinkAway, w.sink.asked(why), why
			break
		}
	}
	w.delivered(done)
	return j
}

// failing is the verdict on a sink that has failed as a whole.
func failing(err error) verdict {
	if plugin.IsAway(err) {
		return sinkAway
	}
	return sinkBad
}

// rule parks the items that can never be delivered, or have failed often enough, and puts
// back those that wait for their own next attempt: held of them. It returns those to write
// again when the sink works again, in order.
func (w *worker) rule(j judgement) (again []item, held int) {
	s := w.sink
	if j.disables {
		return j.failed, 0
	}
	if j.alone {
		for i := range j.failed {
			it := &j.failed[i]
			it.trial = &trial{attempts: it.tried(), due: time.Now(), alone: true}
		}
		s.queue.hold(j.failed)
		return nil, len(j.failed)
	}
	pauses := map[int]time.Duration{} // by attempts: what failed together comes back together
	retry := s.spec.Delivery.Retry
	apart := false // some wait for an attempt of their own
	var dead []func()
	for i, it := range j.failed {
		why := j.reasons[i]
		if known, ok := plugin.FencedBy(why); ok && it.ev.Fence != nil {
			s.terms.report(it.ev.Fence.Leader, known)
		}
		permanent, away := plugin.IsPermanent(why), plugin.IsAway(why)
		if !permanent && (away || j.whole && len(retry.Schedule) > 0) {
			again = append(again, it) // no event has failed: none has to wait for longer than the sink does
			continue
		}
		n := it.tried() + 1
		if permanent || retry.exhausted(n) {
			why := letter{component: "sink " + s.name, err: why, attempts: n}
			dead = append(dead, func() { w.park(it, why) })
			continue
		}
		now := time.Now()
		it.trial = &trial{attempts: n, due: now}
		again = append(again, it)
		late := retry.late(n)
		if j.whole && !late {
			continue
		}
		if pauses[n] == 0 {
			pauses[n] = retry.pause(n)
		}
		it.trial.due = now.Add(max(pauses[n], s.asked(why)))
		if late {
			it.receipt.tried(n, now)
		}
		apart = true
	}
	if !apart && len(dead) == 0 {
		return again, 0
	}
	// Events of a key stay in their order. And a dead letter's sink may hold this worker up,
	// but not the others of the batch.
	s.queue.hold(again)
	for _, park := range dead {
		park()
	}
	return nil, len(again)
}

// asked is the pause that a receiver asks for, within the limit.
func (s *sink) asked(err error) time.Duration {
	return min(plugin.RetryDelay(err), s.spec.Delivery.Retry.MaxAfter.D())
}

// park settles an item that cannot be delivered: it goes to the dead-letter sink
// together with its receipt; without such a sink to the list in memory, where its
// source cannot replay it, and else back to its source.
func (w *worker) park(it item, why letter) {
	q := w.sink.queue
	switch w.sink.letters.park(w.sink.writing, it, why) {
	case parked:
		q.settle([]item{it}, deadLettered)
		w.sink.missed(plugin.Gap{Reason: "events could not be delivered, and were parked"})
	case refused: // its source is told before a later one of its key may go on
		it.receipt.done(why.err)
		q.settle([]item{it}, returned)
	}
}

// tried is how often the item has failed.
func (it *item) tried() int {
	if it.trial == nil {
		return 0
	}
	return it.trial.attempts
}

func wereTried(items []item) bool {
	for i := range items {
		if items[i].trial != nil {
			return true
		}
	}
	return false
}
