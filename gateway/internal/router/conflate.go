package router

import (
	"slices"

	"eventgateway/gateway/event"
)

// conflation is what latest_per_key knows of the events that wait: which is the
// newest of its key, and which were overtaken by a newer one. The zero value is
// that of the other policies and knows nothing. Events without a key overtake
// nothing. An event that joins keys overtakes nothing and is not overtaken: a newer one of its
// key says nothing of the other key, or of the table.
type conflation struct {
	newest    map[string]uint64 // number of the newest waiting event of each key
	overtaken []uint64          // numbers of older ones, and some that are none any more
	lines     []*line           // with a tried event that a newer one has overtaken, and some that are gone
}

func newConflation() conflation { return conflation{newest: map[string]uint64{}} }

// added notes an event that is newer than all that wait; prepended one that is older.
func (c *conflation) added(it *item, n uint64) {
	key := it.ev.Key
	if c.newest == nil || key == "" || it.ev.Joins() {
		return
	}
	if older, ok := c.newest[key]; ok {
		c.overtaken = append(c.overtaken, older)
	}
	c.newest[key] = n
}

func (c *conflation) prepended(it *item, n uint64) {
	key := it.ev.Key
	if c.newest == nil || key == "" || it.ev.Joins() {
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
	overtakes := ev.Key != "" && q.latest.newest != nil && !ev.Joins()
	if overtakes {
		if ln := q.lines.named[ev.Key]; ln != nil && ln.firstOf(ev.Key) {
			q.drop(q.takeFirst(ln))
			return true
		}
	}
	for len(q.latest.lines) > 0 {
		ln := q.latest.lines[0]
		q.latest.lines = q.latest.lines[1:]
		ln.noted = false
		if q.newerBehind(ln) {
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
	if n, ok := q.latest.newest[ev.Key]; ok && overtakes {
		q.drop(q.remove(n))
		return true
	}
	return false
}

// firstOf reports whether the first event of the line that was tried is of a key, and of no other.
func (ln *line) firstOf(key string) bool {
	return len(ln.again) > 0 && ln.again[0].ev.Key == key && !ln.again[0].ev.Joins()
}

// newerBehind reports whether a newer event of the same key waits behind the first one that was
// tried.
func (q *queue) newerBehind(ln *line) bool {
	return len(ln.again) > 0 && ln.firstOf(ln.again[0].ev.Key) && slices.ContainsFunc(ln.behind, func(n uint64) bool {
		return q.waits(n) && q.slot(n).ev.Key == ln.again[0].ev.Key
	})
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
	if n < q.head || q.slot(n).ev == nil || q.slot(n).ev.Joins() {
		return false
	}
	newest, ok := q.latest.newest[q.slot(n).ev.Key]
	return ok && newest > n
}
