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
			if n := q.live + q.aside; n <= q.limit.Size/2 && q.bytes <= int(q.limit.Bytes)/2 {
				q.fullSince = time.Time{}
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
		q.await(ctx, next, waits)
	}
	return batch, nil, false
}

// await waits without the lock until there may be something to take: at next, where
// something waits for that.
func (q *queue) await(ctx context.Context, next time.Time, waits bool) {
	q.mu.Unlock()
	defer q.mu.Lock()
	var due <-chan time.Time
	if waits {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-q.taker:
	case <-due:
	case <-ctx.Done():
	}
}

// pick moves up to most events into batch that may be written now: first those of
// lines whose time has come, then the ring's in their order, but for those whose key
// others have in their hands, or wait with: they go to the end of that line. Or it
// returns the gap that stands next.
func (q *queue) pick(batch []item, most int) ([]item, *plugin.Gap) {
	q.lines.takes++
	if len(q.lines.ready) > 0 {
		for now := time.Now(); len(batch) < most; {
			ln := q.lines.due(now)
			if ln == nil {
				break
			}
			batch = q.takeLine(ln, batch, most)
		}
	}
	q.skipHoles()
	end := q.tail
	if len(q.marks) > 0 {
		first := q.marks[0]
		if end = max(first.at, q.scan); end == q.scan {
			if len(batch) > 0 {
				return batch, nil
			}
			q.marks = slices.DeleteFunc(q.marks, func(m mark) bool {
				return m.at <= q.scan && m.gap.Source == first.gap.Source
			})
			return batch, &first.gap
		}
	}
	alone := !q.byKey || !q.shared
	for len(batch) < most && q.scan < end {
		it := q.slot(q.scan)
		switch {
		case it.ev == nil:
		case alone && it.trial == nil && len(q.lines.named) == 0: // nothing that it could wait for
			batch = append(batch, q.remove(q.scan))
		case !q.pass(q.scan):
			batch = append(batch, q.mine(q.remove(q.scan)))
		}
		q.scan++
	}
	q.skipHoles()
	return batch, nil
}

// pass says whether the event with number n must wait, and puts it into its line.
func (q *queue) pass(n uint64) bool {
	it := q.slot(n)
	ln := q.lines.of(it.ev.Key, q.byKey)
	switch {
	case ln != nil && !(ln.hands > 0 && ln.taker == q.lines.takes && len(ln.again)+len(ln.behind) == 0):
		ln.behind = append(ln.behind, n)
		q.passed++
		return true
	case it.trial != nil && it.trial.due.After(time.Now()):
		q.lines.settled(q.setAside(q.remove(n)))
		return true
	}
	return false
}

// mine notes who holds an event, where others must wait for it.
func (q *queue) mine(it item) item {
	if q.byKey && q.shared {
		q.lines.join(&it)
	}
	return it
}

// takeLine moves events of a line into batch: those that were tried, then those behind
// them.
func (q *queue) takeLine(ln *line, batch []item, most int) []item {
	for len(ln.again) > 0 && len(batch) < most {
		it := ln.again[0]
		ln.again = ln.again[1:]
		q.aside--
		q.bytes -= cost(it.ev)
		batch = append(batch, q.lines.held(ln, it))
	}
	for len(ln.again) == 0 && len(ln.behind) > 0 && len(batch) < most {
		n := ln.behind[0]
		ln.behind = ln.behind[1:]
		if n >= q.head && q.slot(n).ev != nil { // else it was dropped
			batch = append(batch, q.lines.held(ln, q.remove(n)))
		}
	}
	q.lines.settled(ln)
	return batch
}
