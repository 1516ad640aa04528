package router

import (
	"container/heap"
	"slices"
	"time"

	"eventgateway/gateway/event"
)

// trial is what is known of an event whose delivery has failed.
type trial struct {
	attempts int
	due      time.Time // of the next one
	alone    bool      // in a write of its own: the sink has panicked
}

// line is one event that was tried, or is in a worker's hands, and those which must wait
// for it: the later ones of its key, where events are ordered by key.
type line struct {
	key    string
	again  []item   // what has failed, in order
	behind []uint64 // numbers in the ring of those that wait behind; some are gone
	hands  int      // events of it in a worker's hands
	taker  uint64   // the take that has got these
	fresh  []item   // scratch of setAside
	at     int      // place among ready
	joint  *joint   // its first event joins keys; nil for most lines
	named  bool     // others of its key wait: it is the line of its key
	noted  bool     // see conflation
	loose  bool     // its key does not tell the table of its events
}

// due is when something of the line may be written.
func (ln *line) due() time.Time {
	if len(ln.again) > 0 && ln.again[0].trial != nil {
		return ln.again[0].trial.due
	}
	return time.Time{}
}

// lines are those of a queue, which guards them.
type lines struct {
	byKey  bool              // an event waits for those of its key before it
	named  map[string]*line  // by key: the line in which the next event of the key waits
	scoped map[string]*line  // by table: the line of the barrier behind which its next event waits
	odd    map[*line]bool    // lines of keys whose next event waits in another line, behind this one
	then   map[*line][]*line // joint lines that wait for the end of a line
	ready  readyLines        // those of which nothing is in a worker's hands, by due
	takes  uint64            // numbers the takes
}

func newLines(byKey bool) lines {
	return lines{byKey: byKey, named: map[string]*line{}, scoped: map[string]*line{}, odd: map[*line]bool{}, then: map[*line][]*line{}}
}

// of returns the line that an event must wait in, or nil.
func (l *lines) of(ev *event.Event, joins bool) *line {
	if !l.byKey || len(l.named) == 0 {
		return nil
	}
	if joins || len(l.scoped) > 0 {
		return l.ofJoined(ev, joins)
	}
	return l.named[ev.Key]
}

// make makes the line of an event that has none.
func (l *lines) make(ev *event.Event, joins bool) *line {
	if joins && l.byKey {
		return l.makeJoint(ev, nil)
	}
	ln := &line{key: ev.Key, named: l.byKey, at: -1}
	if ln.named {
		l.named[ln.key] = ln
		ln.note(ev)
	}
	return ln
}

// join puts an event that is being taken into the line of its key.
func (l *lines) join(it *item, joins bool) {
	ln := l.of(it.ev, joins)
	if ln == nil {
		ln = l.make(it.ev, joins)
	} else {
		ln.note(it.ev)
	}
	*it = l.held(ln, *it)
}

// held notes that an event of a line is in the hands of the worker that takes.
func (l *lines) held(ln *line, it item) item {
	it.line = ln
	ln.hands++
	ln.taker = l.takes
	return it
}

// settled puts a line to where it belongs, after its events were taken or settled.
func (l *lines) settled(ln *line) {
	if ln.at >= 0 {
		heap.Remove(&l.ready, ln.at)
	}
	switch {
	case ln.hands > 0, ln.joint != nil && ln.joint.after > 0:
	case len(ln.again)+len(ln.behind) > 0:
		heap.Push(&l.ready, ln)
	default:
		l.end(ln)
	}
}

// end forgets a line of which nothing is left, and lets those go on that wait for it.
func (l *lines) end(ln *line) {
	if ln.named {
		delete(l.named, ln.key)
	}
	if ln.joint != nil {
		l.unname(ln)
	}
	if len(l.odd) > 0 {
		delete(l.odd, ln)
	}
	if len(l.then) == 0 {
		return
	}
	then := l.then[ln]
	delete(l.then, ln)
	for _, next := range then {
		next.joint.after--
		l.settled(next)
	}
}

// due removes the line from ready that may be written first, and returns it; nil where
// none may before now.
func (l *lines) due(now time.Time) *line {
	if len(l.ready) == 0 || l.ready[0].due().After(now) {
		return nil
	}
	return heap.Pop(&l.ready).(*line)
}

// next is when the next line may be written, if there is one.
func (l *lines) next() (at time.Time, waits bool) {
	if len(l.ready) == 0 {
		return at, false
	}
	return l.ready[0].due(), true
}

// all returns the lines that have failed events, those before others that are due earlier.
func (l *lines) all() (out []*line) {
	for key, ln := range l.named {
		if len(ln.again) > 0 && ln.key == key {
			out = append(out, ln)
		}
	}
	for ln := range l.odd {
		if len(ln.again) > 0 {
			out = append(out, ln)
		}
	}
	for _, ln := range l.ready {
		if !l.byKey {
			out = append(out, ln)
		}
	}
	slices.SortStableFunc(out, func(a, b *line) int { return a.due().Compare(b.due()) })
	return out
}

// tried returns the line whose first event is to be tried again next; nil where none is.
func (l *lines) tried() *line {
	for _, ln := range l.ready { // the first, but for what nothing holds back any more
		if len(ln.again) > 0 {
			return ln
		}
	}
	return nil
}

// readyLines is a heap by due.
type readyLines []*line

func (r readyLines) Len() int           { return len(r) }
func (r readyLines) Less(i, j int) bool { return r[i].due().Before(r[j].due()) }
func (r readyLines) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].at, r[j].at = i, j
}

// Push is part of [heap.Interface].
func (r *readyLines) Push(x any) {
	ln := x.(*line)
	ln.at = len(*r)
	*r = append(*r, ln)
}

// Pop is part of [heap.Interface].
func (r *readyLines) Pop() any {
	old := *r
	ln := old[len(old)-1]
	old[len(old)-1] = nil
	*r = old[:len(old)-1]
	ln.at = -1
	return ln
}
