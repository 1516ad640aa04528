package router

import (
	"container/heap"
	"maps"
	"slices"
	"strings"

	"eventgateway/gateway/event"
)

// Most events keep their place among those of their key. Some join keys: a row whose key has
// changed has two of them, and a barrier, as TRUNCATE is, keeps its place among all events of a
// table. Such an event has a joint line. It begins with that event, which waits for the ends of
// the lines before, and holds all later events of the same keys. When the event is delivered,
// the line is parted into lines of single keys.

// joint is what a line has whose first event joins keys.
type joint struct {
	first *event.Event
	other string   // the key that the event's row had before, or ""
	scope string   // the table of which the event is a barrier, or ""
	names []string // keys, beside the line's own, whose next events wait in the line
	after int      // lines before it that have not ended
}

// within reports whether a key is one that the source of a table's changes gives its rows.
func within(key, table string) bool {
	rest, ok := strings.CutPrefix(key, table)
	return ok && (rest == "" || rest[0] == ':')
}

// note notes whether the line's key tells the table of an event: where it is configured it does
// not, and a barrier of any table waits for the line.
func (ln *line) note(ev *event.Event) {
	if ln.loose {
		return
	}
	table, ok := ev.Attr(event.Table)
	ln.loose = ok && !within(ev.Key, table)
}

// ofJoined returns the line that an event must wait in, or nil, where the event joins keys, or a
// barrier waits. Where several lines stand before the event, it makes a joint line behind them.
func (l *lines) ofJoined(ev *event.Event, joins bool) *line {
	if own := l.named[ev.Key]; !joins {
		table, ok := ev.Attr(event.Table)
		barrier := l.scoped[table]
		if !ok || barrier == nil || own == barrier || own != nil && within(ev.Key, table) {
			return own // a key that tells the table has no line before the barrier's
		}
	}
	before := l.before(ev)
	switch {
	case len(before) == 0:
		return nil
	case len(before) > 1 || joins:
		return l.makeJoint(ev, before)
	}
	if l.named[ev.Key] == nil {
		l.point(ev.Key, before[0])
	}
	return before[0]
}

// before returns the lines that an event must wait for.
func (l *lines) before(ev *event.Event) (out []*line) {
	seen := map[*line]bool{}
	add := func(ln *line) {
		if ln != nil && !seen[ln] {
			seen[ln] = true
			out = append(out, ln)
		}
	}
	add(l.named[ev.Key])
	if key, ok := ev.Attr(event.KeyBefore); ok {
		add(l.named[key])
	}
	if scope, ok := ev.Attr(event.Barrier); ok {
		for key, ln := range l.named {
			if ln.loose || within(key, scope) {
				add(ln)
			}
		}
		add(l.scoped[scope])
	}
	if table, ok := ev.Attr(event.Table); ok {
		add(l.scoped[table])
	}
	return out
}

// makeJoint makes the line of an event that stands behind several lines, or joins keys.
func (l *lines) makeJoint(ev *event.Event, before []*line) *line {
	ln := &line{key: ev.Key, named: true, at: -1, joint: &joint{first: ev, after: len(before)}}
	ln.joint.other, _ = ev.Attr(event.KeyBefore)
	ln.joint.scope, _ = ev.Attr(event.Barrier)
	ln.note(ev)
	stands := make(map[*line]bool, len(before))
	for _, b := range before {
		l.then[b] = append(l.then[b], ln)
		stands[b] = true
		ln.loose = ln.loose || b.loose
	}
	if ln.joint.scope != "" {
		l.scoped[ln.joint.scope] = ln
		for key, b := range l.named {
			if stands[b] {
				l.point(key, ln)
			}
		}
	}
	if ln.joint.other != "" {
		l.point(ln.joint.other, ln)
	}
	l.point(ln.key, ln)
	return ln
}

// point has the next event of a key wait in a line.
func (l *lines) point(key string, ln *line) {
	if old := l.named[key]; old != nil && old != ln && old.key == key {
		old.named = false
		l.odd[old] = true
	}
	l.named[key] = ln
	if key == ln.key {
		ln.named = true
		return
	}
	if ln.joint != nil {
		ln.joint.names = append(ln.joint.names, key)
	}
}

// unname forgets the keys and the table of a joint line, where no line behind has them.
func (l *lines) unname(ln *line) {
	for _, key := range append(ln.joint.names, ln.key) {
		if l.named[key] == ln {
			delete(l.named, key)
		}
	}
	if l.scoped[ln.joint.scope] == ln {
		delete(l.scoped, ln.joint.scope)
	}
	ln.named = false
	ln.joint.names = nil
}

// covers reports whether a joint line must wait for events of another line.
func (j *joint) covers(key string, of *line) bool {
	return of.key == key || j.other != "" && of.key == j.other || j.scope != "" && (of.loose || within(of.key, j.scope))
}

// lineSettled puts a line to where it belongs, after its events were taken or settled.
func (q *queue) lineSettled(ln *line) {
	if ln.joint != nil && ln.hands == 0 && ln.joint.after == 0 && !q.beginsJoint(ln) {
		q.part(ln)
	}
	q.lines.settled(ln)
}

// beginsJoint reports whether a joint line has its first event still.
func (q *queue) beginsJoint(ln *line) bool {
	if len(ln.again) > 0 {
		return ln.again[0].ev == ln.joint.first
	}
	i := slices.IndexFunc(ln.behind, q.waits)
	return i >= 0 && q.slot(ln.behind[i]).ev == ln.joint.first
}

// part makes lines of single keys of a joint line whose first event is gone.
func (q *queue) part(ln *line) {
	l := &q.lines
	l.unname(ln)
	var parts []*line
	byKey := map[string]*line{}
	of := func(ev *event.Event) *line {
		p := byKey[ev.Key]
		if p == nil {
			p = &line{key: ev.Key, at: -1}
			byKey[ev.Key], parts = p, append(parts, p)
		}
		p.note(ev)
		return p
	}
	for _, it := range ln.again {
		p := of(it.ev)
		p.again = append(p.again, it)
	}
	for _, n := range ln.behind {
		if q.waits(n) {
			p := of(q.slot(n).ev)
			p.behind = append(p.behind, n)
		}
	}
	ln.again, ln.behind = nil, nil
	for _, p := range parts {
		if l.named[p.key] == nil {
			l.named[p.key], p.named = p, true
		} else { // the next event of the key waits behind
			l.odd[p] = true
		}
		for _, next := range l.then[ln] {
			if next.joint.covers(next.key, p) {
				l.then[p] = append(l.then[p], next)
				next.joint.after++
			}
		}
		if len(p.behind) > 0 {
			q.latest.passed(p)
		}
	}
	for _, p := range parts {
		l.settled(p)
	}
}

// renew has nothing wait in lines but what is in a worker's hands or was tried: what waits in
// the ring is looked at anew.
func (l *lines) renew() {
	if !l.byKey {
		return
	}
	all := maps.Clone(l.odd)
	for _, ln := range l.named {
		all[ln] = true
	}
	clear(l.named)
	clear(l.scoped)
	clear(l.odd)
	clear(l.then)
	for ln := range all {
		ln.behind = nil
		if ln.at >= 0 {
			heap.Remove(&l.ready, ln.at)
		}
		if ln.hands == 0 && len(ln.again) == 0 {
			continue
		}
		ln.named = true
		l.named[ln.key] = ln
		if j := ln.joint; j != nil {
			j.after = 0
			for _, key := range j.names {
				l.named[key] = ln
			}
			if j.scope != "" {
				l.scoped[j.scope] = ln
			}
		}
		if ln.hands == 0 {
			heap.Push(&l.ready, ln)
		}
	}
}
