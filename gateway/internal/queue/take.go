package queue

import (
	"context"
	"slices"
	"time"

	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/plugin"
)

// Take waits for events and appends up to most of them to batch, or
// returns the gap that stands before the next event. It returns ok false when ctx has
// ended, or the queue is closed and has nothing more for this worker.
func (q *Queue) Take(ctx context.Context, batch []Item, most int) (_ []Item, gap *plugin.Gap, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for ctx.Err() == nil {
		if batch, gap = q.pick(batch, most); gap != nil {
			return batch, gap, true
		}
		if len(batch) > 0 {
			q.counts.Writing += uint64(len(batch))
			if n := q.inRing - q.blocked; n == 0 || n <= q.cfg.Size/2 && q.bytes <= int(q.cfg.Bytes)/2 {
				q.fullSince = time.Time{} // blocked events do not count: they cannot be taken yet
			}
			wake(q.space)
			if q.cfg.Shared && (q.next < q.tail || len(q.lanes.ready) > 0) {
				wake(q.ready) // there may be events for another worker
			}
			return batch, nil, true
		}
		due, waits := q.lanes.nextDue()
		if q.closed && (!waits || due.After(q.drainUntil)) {
			wake(q.ready) // the other workers end, too
			return batch, nil, false
		}
		q.mu.Unlock()
		backoff.Await(ctx, q.ready, time.Until(due), waits)
		q.mu.Lock()
	}
	return batch, nil, false
}

// pick appends up to most events to batch that may be written now, or returns the gap
// that stands next. Lanes and the ring come first in turns, so that events which fail again and again
// do not hold back events that were never tried.
func (q *Queue) pick(batch []Item, most int) (_ []Item, gap *plugin.Gap) {
	q.lanes.takes++
	q.lanesFirst = !q.lanesFirst
	if q.lanesFirst {
		batch, most = q.pickLanes(batch, most)
	}
	if batch, gap = q.pickRing(batch, most); gap == nil && !q.lanesFirst && !(len(batch) > 0 && q.alone(&batch[0])) {
		batch, _ = q.pickLanes(batch, most)
	}
	return batch, gap
}

// alone reports whether an event gets a write without others: the sink has panicked, or the
// event spans keys. A write may fail in part, so no event of these keys may be in it.
func (q *Queue) alone(it *Item) bool {
	return it.Retry != nil && it.Retry.Alone || q.lanes.byKey && it.Event.SpansKeys()
}

// pickLanes takes from lanes that are due. It returns how many events the batch may have in all: an event
// that is to be written alone has no other beside it.
func (q *Queue) pickLanes(batch []Item, most int) ([]Item, int) {
	if len(q.lanes.ready) == 0 {
		return batch, most
	}
	now := time.Now()
	for len(batch) < most {
		ln := q.lanes.popDue(now)
		if ln == nil {
			break
		}
		var full bool
		batch, full = q.takeLane(ln, now, batch, most)
		q.placeLane(ln)
		if full {
			return batch, len(batch)
		}
	}
	return batch, most
}

// takeLane moves events of a lane into batch: delayed ones, then the ones blocked by them.
func (q *Queue) takeLane(ln *lane, now time.Time, batch []Item, most int) (_ []Item, full bool) {
	for len(batch) < most && q.unblock(ln) && !ln.due().After(now) {
		alone := q.alone(&ln.delayed[0])
		if alone && len(batch) > 0 {
			return batch, true
		}
		batch = append(batch, q.lanes.fly(ln, q.takeDelayed(ln)))
		if alone {
			return batch, true
		}
	}
	return batch, false
}

// pickRing takes the ring's events in order. Those that must wait become blocked in their lane.
// It stops at a gap, and returns it where no event of the batch stands before it.
func (q *Queue) pickRing(batch []Item, most int) ([]Item, *plugin.Gap) {
	oneWriter := !q.lanes.byKey || !q.cfg.Shared
	for {
		q.skipHoles()
		end := q.tail
		if len(q.gaps) > 0 {
			first := q.gaps[0]
			if end = max(first.at, q.next); end == q.next {
				if len(batch) > 0 {
					return batch, nil
				}
				return batch, q.takeMark(first)
			}
		}
		for len(batch) < most && q.next < end {
			it := q.slot(q.next)
			if it.Event == nil {
				q.next++
				continue
			}
			spans := it.Event.SpansKeys()
			switch {
			case oneWriter && it.Retry == nil && !spans && len(q.lanes.byName) == 0: // no lane that it could wait for
				batch = append(batch, q.remove(q.next))
			case q.mustWait(q.next, spans):
			case spans && q.lanes.byKey:
				if len(batch) == 0 {
					batch = append(batch, q.takeOff(q.remove(q.next), spans))
					q.next++
				}
				return batch, nil
			default:
				batch = append(batch, q.takeOff(q.remove(q.next), spans))
			}
			q.next++
		}
		q.skipHoles()
		if len(batch) > 0 || len(q.gaps) == 0 || q.gaps[0].at > q.next {
			return batch, nil
		}
	}
}

// mustWait reports whether the event with number n must wait, and then puts it into its lane. spans is whether the
// event spans keys.
func (q *Queue) mustWait(n uint64, spans bool) bool {
	it := q.slot(n)
	ln := q.lanes.find(it.Event, spans)
	switch {
	case ln != nil && !(ln.inFlight > 0 && ln.takenBy == q.lanes.takes && len(ln.delayed)+len(ln.blocked) == 0):
		if len(ln.blocked) > 2*q.blocked+64 { // most were dropped
			ln.blocked = slices.DeleteFunc(ln.blocked, func(n uint64) bool { return !q.holds(n) })
		}
		ln.blocked = append(ln.blocked, n)
		ln.noteTable(it.Event)
		q.blocked++
		q.latest.blocked(ln)
		return true
	case it.Retry != nil && (it.Retry.Alone || it.Retry.Due.After(time.Now())):
		q.delay([]Item{q.remove(n)})
		return true
	}
	return false
}

// takeOff enters an event in flight into its lane, where later events must wait for it.
func (q *Queue) takeOff(it Item, spans bool) Item {
	if q.lanes.byKey && q.cfg.Shared {
		q.lanes.enter(&it, spans)
	}
	return it
}
