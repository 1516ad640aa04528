package queue

import (
	"slices"

	"eventgateway/gateway/event"
)

// conflation is what latest_per_key knows of the waiting events: which one is the newest of its key, and which
// ones are outdated by a newer one. The zero value is that of the other policies and knows nothing. An event without
// a key outdates no event. An event that spans keys outdates no event and is never outdated, because a newer event of
// its key does not replace it for the other key or the table.
type conflation struct {
	newest   map[string]uint64 // by key: number of the newest event in the ring
	outdated []uint64          // numbers of older ones; some are removed already
	lanes    []*lane           // whose delayed event is outdated; some are closed already
}

// enable starts or stops conflation, with no events noted.
func (c *conflation) enable(on bool) {
	for _, ln := range c.lanes {
		ln.listed = false
	}
	*c = conflation{}
	if on {
		c.newest = map[string]uint64{}
	}
}

// reset forgets the events of the ring.
func (c *conflation) reset() {
	if c.newest != nil {
		c.newest, c.outdated = map[string]uint64{}, nil
	}
}

func (c *conflation) counts(it *Item) bool {
	return c.newest != nil && it.Event.Key != "" && !it.Event.SpansKeys()
}

// appended notes an event that is newer than all that wait.
func (c *conflation) appended(it *Item, n uint64) {
	if !c.counts(it) {
		return
	}
	if older, ok := c.newest[it.Event.Key]; ok {
		c.outdated = append(c.outdated, older)
	}
	c.newest[it.Event.Key] = n
}

// prepended notes an event that is older than all that wait.
func (c *conflation) prepended(it *Item, n uint64) {
	if !c.counts(it) {
		return
	}
	if _, ok := c.newest[it.Event.Key]; ok {
		c.outdated = append(c.outdated, n)
		return
	}
	c.newest[it.Event.Key] = n
}

// blocked notes that a newer event waits behind a delayed one.
func (c *conflation) blocked(ln *lane) {
	if c.newest == nil || ln.listed || len(ln.delayed) == 0 || ln.key == "" {
		return
	}
	ln.listed = true
	c.lanes = append(c.lanes, ln)
}

func (c *conflation) removed(key string, n uint64) {
	if at, ok := c.newest[key]; ok && at == n {
		delete(c.newest, key)
	}
}

// compact shortens the lists where most of their entries are gone.
func (c *conflation) compact(q *Queue) {
	if len(c.outdated) > 2*q.inRing+64 {
		c.outdated = slices.DeleteFunc(c.outdated, func(n uint64) bool { return !q.isOutdated(n) })
	}
	if len(c.lanes) > 2*len(q.lanes.byName)+64 {
		c.lanes = slices.DeleteFunc(c.lanes, func(ln *lane) bool { return q.lanes.byName[ln.key] != ln })
	}
}

// dropConflated drops an event that a newer one of its key outdates: one that is outdated already, or by
// ev. It reports whether there was one.
func (q *Queue) dropConflated(ev *event.Event) bool {
	outdates := ev.Key != "" && q.latest.newest != nil && !ev.SpansKeys()
	if outdates {
		if ln := q.lanes.byName[ev.Key]; ln != nil && ln.beginsWith(ev.Key) {
			q.drop(q.removeFirst(ln))
			return true
		}
	}
	for len(q.latest.lanes) > 0 {
		ln := q.latest.lanes[0]
		q.latest.lanes = q.latest.lanes[1:]
		ln.listed = false
		if q.newerBlocked(ln) {
			q.drop(q.removeFirst(ln))
			return true
		}
	}
	for len(q.latest.outdated) > 0 {
		n := q.latest.outdated[0]
		q.latest.outdated = q.latest.outdated[1:]
		if q.isOutdated(n) {
			q.drop(q.remove(n))
			return true
		}
	}
	if n, ok := q.latest.newest[ev.Key]; ok && outdates {
		q.drop(q.remove(n))
		return true
	}
	return false
}

// beginsWith reports whether the first delayed event of the lane has a key, and spans no keys.
func (ln *lane) beginsWith(key string) bool {
	return len(ln.delayed) > 0 && ln.delayed[0].Event.Key == key && !ln.delayed[0].Event.SpansKeys()
}

// newerBlocked reports whether a newer event of the same key is blocked by the first delayed one.
func (q *Queue) newerBlocked(ln *lane) bool {
	if len(ln.delayed) == 0 || ln.delayed[0].Event.SpansKeys() {
		return false
	}
	key := ln.delayed[0].Event.Key
	return slices.ContainsFunc(ln.blocked, func(n uint64) bool { return q.holds(n) && q.slot(n).Event.Key == key })
}

// isOutdated reports whether the event with number n is in the ring, and a newer one of its key is,
// too. Numbers are used again for other events when events are put back.
func (q *Queue) isOutdated(n uint64) bool {
	if !q.holds(n) || q.slot(n).Event.SpansKeys() {
		return false
	}
	newest, ok := q.latest.newest[q.slot(n).Event.Key]
	return ok && newest > n
}
