package router

import (
	"slices"

	"eventgateway/gateway/event"
)

// conflation is what latest_per_key knows of the events that wait: which is the
// newest of its key, and which were overtaken by a newer one. The zero value is
// that of the other policies and knows nothing. Events without a key overtake
// nothing.
type conflation struct {
	newest    map[string]uint64 // number of the newest waiting event of each key
	overtaken []uint64          // numbers of older ones, and some that are none any more
	lines     []*line           // with a tried event that a newer one has overtaken, and some that are gone
}

func newConflation() conflation { return conflation{newest: map[string]uint64{}} }

// added notes an event that is newer than all that wait; prepended one that is older.
func (c *conflation) added(key string, n uint64) {
	if c.newest == nil || key == "" {
		return
	}
	if older, ok := c.newest[key]; ok {
		c.overtaken = append(c.overtaken, older)
	}
	c.newest[key] = n
}

func (c *conflation) prepended(key string, n uint64) {
	if c.newest == nil || key == "" {
		return
	}
	if _, ok := c.newest[key]; ok {
		c.overtaken = append(c.overtaken, n)
		return
	}
	c.newest[key] = n
}

// passed notes that a newer event waits behind one that was tried.
func (c *conflation) passed(ln *line) {
	if c.newest == nil || ln.noted || len(ln.again) == 0 || ln.key == "" {
		return
	}
	ln.noted = true
	c.lines = append(c.lines, ln)
}

func (c *conflation) removed(key string, n uint64) {
	if at, ok := c.newest[key]; ok && at == n {
		delete(c.newest, key)
	}
}

// dropOvertaken drops an event that a newer one of its key makes worthless: one
// that was overtaken already, or that ev is about to overtake. It says whether
// there was one.
func (q *queue) dropOvertaken(ev *event.Event) bool {
	if ev.Key != "" && q.latest.newest != nil {
		if ln := q.lines.of(ev.Key); ln != nil && len(ln.again) > 0 {
			q.drop(q.takeFirst(ln))
			return true
		}
	}
	for len(q.latest.lines) > 0 {
		ln := q.latest.lines[0]
		q.latest.lines = q.latest.lines[1:]
		ln.noted = false
		if len(ln.again) > 0 && slices.ContainsFunc(ln.behind, q.waits) {
			q.drop(q.takeFirst(ln))
			return true
		}
	}
	for len(q.latest.overtaken) > 0 {
		n := q.latest.overtaken[0]
		q.latest.overtaken = q.latest.overtaken[1:]
		if q.overtaken(n) {
			q.drop(q.remove(n))
			return true
		}
	}
	if n, ok := q.latest.newest[ev.Key]; ok {
		q.drop(q.remove(n))
		return true
	}
	return false
}

// forgetGone shortens the list of overtaken events: most are gone where the queue
// was not full for a while.
func (q *queue) forgetGone() {
	if c := &q.latest; len(c.overtaken) > 2*q.live+64 {
		c.overtaken = slices.DeleteFunc(c.overtaken, func(n uint64) bool { return !q.overtaken(n) })
	}
	if c := &q.latest; len(c.lines) > 2*len(q.lines.named)+64 {
		c.lines = slices.DeleteFunc(c.lines, func(ln *line) bool { return q.lines.named[ln.key] != ln })
	}
}

// overtaken says whether the event with number n waits, and a newer one of its key
// does as well: numbers come back, with other events, when events are put back.
func (q *queue) overtaken(n uint64) bool {
	if n < q.head || q.slot(n).ev == nil {
		return false
	}
	newest, ok := q.latest.newest[q.slot(n).ev.Key]
	return ok && newest > n
}
