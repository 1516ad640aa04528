package queue

import (
	"container/heap"
	"maps"
	"slices"
	"strings"

	"eventgateway/gateway/event"
)

// Most events keep their place among those of their key. Some span keys: a row whose key has
// changed has two of them, and a barrier, such as TRUNCATE, keeps its place among all events of a
// table. Such an event has a joint lane. The lane begins with that event, which waits for the ends of
// the lanes before it, and holds all later events of the same keys. When the event is settled,
// the lane is parted into lanes of single keys.

// joint is the state of a lane whose first event spans keys.
type joint struct {
	first    *event.Event
	other    string   // the key that the event's row had before, or ""
	scope    string   // the table of which the event is a barrier, or ""
	names    []string // keys, beside the lane's own, whose next events wait in the lane
	waitsFor int      // lanes before it that have not ended
}

// keyOf reports whether a key is one that the source of a table's changes gives the table's rows.
func keyOf(key, table string) bool {
	rest, ok := strings.CutPrefix(key, table)
	return ok && (rest == "" || rest[0] == ':')
}

// noteTable notes whether the lane's key tells the table of an event. A configured key does
// not, and then a barrier of any table waits for the lane.
func (ln *lane) noteTable(ev *event.Event) {
	if ln.anyTable {
		return
	}
	table, ok := ev.Attr(event.AttrTable)
	ln.anyTable = ok && !keyOf(ev.Key, table)
}

// findJoint returns the lane that an event must wait in, or nil. It is for events that span keys, and while a barrier
// waits. If the event must wait for several lanes, it opens a joint lane for it.
func (l *lanes) findJoint(ev *event.Event, spans bool) *lane {
	if own := l.byName[ev.Key]; !spans {
		table, ok := ev.Attr(event.AttrTable)
		barrier := l.barriers[table]
		if !ok || barrier == nil || own == barrier || own != nil && keyOf(ev.Key, table) {
			return own // a key that tells the table has no lane before the barrier's
		}
	}
	before := l.before(ev)
	switch {
	case len(before) == 0:
		return nil
	case len(before) > 1 || spans:
		return l.openJoint(ev, before)
	}
	if l.byName[ev.Key] == nil {
		l.name(ev.Key, before[0])
	}
	return before[0]
}

// before returns the lanes that an event must wait for.
func (l *lanes) before(ev *event.Event) (out []*lane) {
	seen := map[*lane]bool{}
	add := func(ln *lane) {
		if ln != nil && !seen[ln] {
			seen[ln] = true
			out = append(out, ln)
		}
	}
	add(l.byName[ev.Key])
	if key, ok := ev.Attr(event.AttrKeyBefore); ok {
		add(l.byName[key])
	}
	if scope, ok := ev.Attr(event.AttrBarrier); ok {
		for key, ln := range l.byName {
			if ln.anyTable || keyOf(key, scope) {
				add(ln)
			}
		}
		add(l.barriers[scope])
	}
	if table, ok := ev.Attr(event.AttrTable); ok {
		add(l.barriers[table])
	}
	return out
}

// openJoint opens the lane of an event that stands behind several lanes, or spans keys.
func (l *lanes) openJoint(ev *event.Event, before []*lane) *lane {
	ln := &lane{key: ev.Key, named: true, at: -1, joint: &joint{first: ev, waitsFor: len(before)}}
	ln.joint.other, _ = ev.Attr(event.AttrKeyBefore)
	ln.joint.scope, _ = ev.Attr(event.AttrBarrier)
	ln.noteTable(ev)
	isBefore := make(map[*lane]bool, len(before))
	for _, b := range before {
		l.successors[b] = append(l.successors[b], ln)
		isBefore[b] = true
		ln.anyTable = ln.anyTable || b.anyTable
	}
	if ln.joint.scope != "" {
		l.barriers[ln.joint.scope] = ln
		for key, b := range l.byName {
			if isBefore[b] {
				l.name(key, ln)
			}
		}
	}
	if ln.joint.other != "" {
		l.name(ln.joint.other, ln)
	}
	l.name(ln.key, ln)
	return ln
}

// name makes the next event of a key wait in a lane.
func (l *lanes) name(key string, ln *lane) {
	if old := l.byName[key]; old != nil && old != ln && old.key == key {
		old.named = false
		l.unnamed[old] = true
	}
	l.byName[key] = ln
	if key == ln.key {
		ln.named = true
		return
	}
	if ln.joint != nil {
		ln.joint.names = append(ln.joint.names, key)
	}
}

// unname removes the keys and the table of a joint lane, where no later lane has them.
func (l *lanes) unname(ln *lane) {
	for _, key := range append(ln.joint.names, ln.key) {
		if l.byName[key] == ln {
			delete(l.byName, key)
		}
	}
	if l.barriers[ln.joint.scope] == ln {
		delete(l.barriers, ln.joint.scope)
	}
	ln.named = false
	ln.joint.names = nil
}

// covers reports whether a joint lane with a key must wait for events of another lane.
func (j *joint) covers(key string, of *lane) bool {
	return of.key == key || j.other != "" && of.key == j.other || j.scope != "" && (of.anyTable || keyOf(of.key, j.scope))
}

// placeLane places a lane after its events were taken or settled (see [lanes.place]). A joint lane without its first
// event is parted.
func (q *Queue) placeLane(ln *lane) {
	if ln.joint != nil && ln.inFlight == 0 && ln.joint.waitsFor == 0 && !q.beginsJoint(ln) {
		q.part(ln)
	}
	q.lanes.place(ln)
}

// beginsJoint reports whether a joint lane still has its first event.
func (q *Queue) beginsJoint(ln *lane) bool {
	if len(ln.delayed) > 0 {
		return ln.delayed[0].Event == ln.joint.first
	}
	i := slices.IndexFunc(ln.blocked, q.holds)
	return i >= 0 && q.slot(ln.blocked[i]).Event == ln.joint.first
}

// part opens lanes of single keys for the events of a joint lane whose first event is gone.
func (q *Queue) part(ln *lane) {
	l := &q.lanes
	l.unname(ln)
	var parts []*lane
	byKey := map[string]*lane{}
	of := func(ev *event.Event) *lane {
		p := byKey[ev.Key]
		if p == nil {
			p = &lane{key: ev.Key, at: -1}
			byKey[ev.Key], parts = p, append(parts, p)
		}
		p.noteTable(ev)
		return p
	}
	for _, it := range ln.delayed {
		p := of(it.Event)
		p.delayed = append(p.delayed, it)
	}
	for _, n := range ln.blocked {
		if q.holds(n) {
			p := of(q.slot(n).Event)
			p.blocked = append(p.blocked, n)
		}
	}
	ln.delayed, ln.blocked = nil, nil
	for _, p := range parts {
		if l.byName[p.key] == nil {
			l.byName[p.key], p.named = p, true
		} else { // the next event of the key waits in a later lane
			l.unnamed[p] = true
		}
		for _, next := range l.successors[ln] {
			if next.joint.covers(next.key, p) {
				l.successors[p] = append(l.successors[p], next)
				next.joint.waitsFor++
			}
		}
		if len(p.blocked) > 0 {
			q.latest.blocked(p)
		}
	}
	for _, p := range parts {
		l.place(p)
	}
}

// reset removes all events from the lanes, except for delayed ones and ones in flight: the events of
// the ring are looked at again.
func (l *lanes) reset() {
	if !l.byKey {
		return
	}
	all := maps.Clone(l.unnamed)
	for _, ln := range l.byName {
		all[ln] = true
	}
	clear(l.byName)
	clear(l.barriers)
	clear(l.unnamed)
	clear(l.successors)
	for ln := range all {
		ln.blocked = nil
		if ln.at >= 0 {
			heap.Remove(&l.ready, ln.at)
		}
		if ln.inFlight == 0 && len(ln.delayed) == 0 {
			continue
		}
		ln.named = true
		l.byName[ln.key] = ln
		if j := ln.joint; j != nil {
			j.waitsFor = 0
			for _, key := range j.names {
				l.byName[key] = ln
			}
			if j.scope != "" {
				l.barriers[j.scope] = ln
			}
		}
		if ln.inFlight == 0 {
			heap.Push(&l.ready, ln)
		}
	}
}
