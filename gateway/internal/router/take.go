package router

import (
	"context"
	"slices"
	"time"

	"eventgateway/gateway/plugin"
)

// take waits for something and moves up to most events into batch; or it
// returns the gap that stands before the next event. It returns ok false once ctx has
// ended, or the queue is closed and has nothing more for this worker.
func (q *queue) take(ctx context.Context, batch []item, most int) (_ []item, gap *plugin.Gap, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for ctx.Err() == nil {
		if batch, gap = q.pick(batch, most); gap != nil {
			return batch, gap, true
		}
		if len(batch) > 0 {
			q.counts.Writing += uint64(len(batch))
			if n := q.live - q.passed; n == 0 || n <= q.limit.Size/2 && q.bytes <= int(q.limit.Bytes)/2 {
				q.fullSince = time.Time{} // what cannot be taken yet is not what it was full of
			}
			notify(q.putter)
			if q.shared && (q.scan < q.tail || len(q.lines.ready) > 0) {
				notify(q.taker) // there may be something for another worker
			}
			return batch, nil, true
		}
		next, waits := q.lines.next()
		if q.closed && (!waits || next.After(q.until)) {
			notify(q.taker) // the other workers end, too
			return batch, nil, false
		}
		q.mu.Unlock()
		await(ctx, q.taker, time.Until(next), waits)
		q.mu.Lock()
	}
	return batch, nil, false
}

// pick moves up to most events into batch that may be written now, or returns the gap
// that stands next. What waits in lines and what waits in the ring come first in turns:
// events that fail again and again must not keep those back that never were tried.
func (q *queue) pick(batch []item, most int) (_ []item, gap *plugin.Gap) {
	q.lines.takes++
	q.turn = !q.turn
	if q.turn {
		batch, most = q.pickLines(batch, most)
	}
	if batch, gap = q.pickRing(batch, most); gap == nil && !q.turn && !(len(batch) > 0 && q.alone(&batch[0])) {
		batch, _ = q.pickLines(batch, most)
	}
	return batch, gap
}

// alone reports whether an event is to have a write of its own: the sink has panicked, or the
// event joins keys. So no event of its keys is in the same write, which may fail in part.
func (q *queue) alone(it *item) bool {
	return it.trial != nil && it.trial.alone || q.lines.byKey && it.ev.Joins()
}

// pickLines takes from lines whose time has come. It returns most as it is then: an event
// that is to be written alone has no other beside it.
func (q *queue) pickLines(batch []item, most int) ([]item, int) {
	if len(q.lines.ready) == 0 {
		return batch, most
	}
	now := time.Now()
	for len(batch) < most {
		ln := q.lines.due(now)
		if ln == nil {
			break
		}
		var full bool
		batch, full = q.takeLine(ln, now, batch, most)
		q.lineSettled(ln)
		if full {
			return batch, len(batch)
		}
	}
	return batch, most
}

// takeLine moves events of a line into batch: those that were tried, then those behind
// them.
func (q *queue) takeLine(ln *line, now time.Time, batch []item, most int) (_ []item, full bool) {
	for len(batch) < most && q.advance(ln) && !ln.due().After(now) {
		it := ln.again[0]
		alone := q.alone(&it)
		if alone && len(batch) > 0 {
			return batch, true
		}
		batch = append(batch, q.lines.held(ln, q.takeAside(ln)))
		if alone {
			return batch, true
		}
	}
	return batch, false
}

// pickRing takes the ring's events in their order, but for those that must wait: they go to
// the end of their line. It stops at a gap, and returns that where nothing is before it.
func (q *queue) pickRing(batch []item, most int) ([]item, *plugin.Gap) {
	alone := !q.lines.byKey || !q.shared
	for {
		q.skipHoles()
		end := q.tail
		if len(q.marks) > 0 {
			first := q.marks[0]
			if end = max(first.at, q.scan); end == q.scan {
				if len(batch) > 0 {
					return batch, nil
				}
				return batch, q.takeMark(first)
			}
		}
		for len(batch) < most && q.scan < end {
			it := q.slot(q.scan)
			if it.ev == nil {
				q.scan++
				continue
			}
			joins := it.ev.Joins()
			switch {
			case alone && it.trial == nil && !joins && len(q.lines.named) == 0: // nothing that it could wait for
				batch = append(batch, q.remove(q.scan))
			case q.pass(q.scan, joins):
			case joins && q.lines.byKey:
				if len(batch) == 0 {
					batch = append(batch, q.mine(q.remove(q.scan), joins))
					q.scan++
				}
				return batch, nil
			default:
				batch = append(batch, q.mine(q.remove(q.scan), joins))
			}
			q.scan++
		}
		q.skipHoles()
		if len(batch) > 0 || len(q.marks) == 0 || q.marks[0].at > q.scan {
			return batch, nil
		}
	}
}

// pass says whether the event with number n must wait, and puts it into its line. joins says
// whether it joins keys.
func (q *queue) pass(n uint64, joins bool) bool {
	it := q.slot(n)
	ln := q.lines.of(it.ev, joins)
	switch {
	case ln != nil && !(ln.hands > 0 && ln.taker == q.lines.takes && len(ln.again)+len(ln.behind) == 0):
		if len(ln.behind) > 2*q.passed+64 { // most were dropped
			ln.behind = slices.DeleteFunc(ln.behind, func(n uint64) bool { return !q.waits(n) })
		}
		ln.behind = append(ln.behind, n)
		ln.note(it.ev)
		q.passed++
		q.latest.passed(ln)
		return true
	case it.trial != nil && (it.trial.alone || it.trial.due.After(time.Now())):
		q.setAside([]item{q.remove(n)})
		return true
	}
	return false
}

// mine notes who holds an event, where others must wait for it.
func (q *queue) mine(it item, joins bool) item {
	if q.lines.byKey && q.shared {
		q.lines.join(&it, joins)
	}
	return it
}
