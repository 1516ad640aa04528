package queue

import (
	"container/heap"
	"slices"
	"time"

	"eventgateway/gateway/event"
)

// lane has the events of one key that others must wait for: delayed ones, ones in flight, and the
// events of the ring behind them. Where events are not ordered, each delayed event has a lane of its own. A key whose
// events just pass through the queue has no lane.
type lane struct {
	key      string
	delayed  []Item   // wait for their next attempt, in order
	blocked  []uint64 // numbers in the ring of the events behind these; some are removed already
	inFlight int      // events of the lane in flight
	takenBy  uint64   // the take that has brought them in flight
	scratch  []Item   // of delay
	at       int      // index in ready; -1: not there
	joint    *joint   // its first event spans keys; nil for most lanes
	named    bool     // the next event of its key waits in it
	listed   bool     // see conflation
	anyTable bool     // its key does not tell the table of its events
}

// due returns when the first event of the lane may be written.
func (ln *lane) due() time.Time {
	if len(ln.delayed) > 0 && ln.delayed[0].Retry != nil {
		return ln.delayed[0].Retry.Due
	}
	return time.Time{}
}

// lanes are those of a queue, whose lock guards them.
type lanes struct {
	byKey      bool              // events wait for earlier ones of their key
	byName     map[string]*lane  // by key: where the next event of the key waits
	barriers   map[string]*lane  // by table: the lane of the barrier behind which its next event waits
	unnamed    map[*lane]bool    // lanes behind which another lane has their key
	successors map[*lane][]*lane // joint lanes that wait for the end of a lane
	ready      readyLanes        // those with nothing in flight, by due
	takes      uint64            // numbers the takes
}

func newLanes(byKey bool) lanes {
	return lanes{byKey: byKey, byName: map[string]*lane{}, barriers: map[string]*lane{}, unnamed: map[*lane]bool{}, successors: map[*lane][]*lane{}}
}

// find returns the lane that an event must wait in, or nil.
func (l *lanes) find(ev *event.Event, spans bool) *lane {
	if !l.byKey || len(l.byName) == 0 {
		return nil
	}
	if spans || len(l.barriers) > 0 {
		return l.findJoint(ev, spans)
	}
	return l.byName[ev.Key]
}

// open makes the lane of an event that has none.
func (l *lanes) open(ev *event.Event, spans bool) *lane {
	if spans && l.byKey {
		return l.openJoint(ev, nil)
	}
	ln := &lane{key: ev.Key, named: l.byKey, at: -1}
	if ln.named {
		l.byName[ln.key] = ln
		ln.noteTable(ev)
	}
	return ln
}

// enter brings an event that is being taken in flight in the lane of its key.
func (l *lanes) enter(it *Item, spans bool) {
	ln := l.find(it.Event, spans)
	if ln == nil {
		ln = l.open(it.Event, spans)
	} else {
		ln.noteTable(it.Event)
	}
	*it = l.fly(ln, *it)
}

// fly counts an event of a lane as in flight.
func (l *lanes) fly(ln *lane, it Item) Item {
	it.lane = ln
	ln.inFlight++
	ln.takenBy = l.takes
	return it
}

// place puts a lane among the ready ones, or closes it, after its events were taken or settled.
func (l *lanes) place(ln *lane) {
	if ln.at >= 0 {
		heap.Remove(&l.ready, ln.at)
	}
	switch {
	case ln.inFlight > 0, ln.joint != nil && ln.joint.waitsFor > 0:
	case len(ln.delayed)+len(ln.blocked) > 0:
		heap.Push(&l.ready, ln)
	default:
		l.close(ln)
	}
}

// close removes an empty lane, and lets the lanes go on that wait for its end.
func (l *lanes) close(ln *lane) {
	if ln.named {
		delete(l.byName, ln.key)
	}
	if ln.joint != nil {
		l.unname(ln)
	}
	if len(l.unnamed) > 0 {
		delete(l.unnamed, ln)
	}
	if len(l.successors) == 0 {
		return
	}
	successors := l.successors[ln]
	delete(l.successors, ln)
	for _, next := range successors {
		next.joint.waitsFor--
		l.place(next)
	}
}

// popDue removes the lane from ready that may be written first; nil where none may before now.
func (l *lanes) popDue(now time.Time) *lane {
	if len(l.ready) == 0 || l.ready[0].due().After(now) {
		return nil
	}
	return heap.Pop(&l.ready).(*lane)
}

// nextDue returns when the next lane may be written, if there is one.
func (l *lanes) nextDue() (at time.Time, ok bool) {
	if len(l.ready) == 0 {
		return at, false
	}
	return l.ready[0].due(), true
}

// withDelayed returns the lanes that have delayed events, by due.
func (l *lanes) withDelayed() (out []*lane) {
	for key, ln := range l.byName {
		if len(ln.delayed) > 0 && ln.key == key {
			out = append(out, ln)
		}
	}
	for ln := range l.unnamed {
		if len(ln.delayed) > 0 {
			out = append(out, ln)
		}
	}
	if !l.byKey {
		out = append(out, l.ready...)
	}
	slices.SortStableFunc(out, func(a, b *lane) int { return a.due().Compare(b.due()) })
	return out
}

// firstDelayed returns a ready lane with a delayed event; nil where there is none. Its event is the one that is due
// first, except where a lane whose events are not blocked any more comes first.
func (l *lanes) firstDelayed() *lane {
	for _, ln := range l.ready {
		if len(ln.delayed) > 0 {
			return ln
		}
	}
	return nil
}

// readyLanes is a heap by due.
type readyLanes []*lane

func (r readyLanes) Len() int           { return len(r) }
func (r readyLanes) Less(i, j int) bool { return r[i].due().Before(r[j].due()) }
func (r readyLanes) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].at, r[j].at = i, j
}

// Push is part of [heap.Interface].
func (r *readyLanes) Push(x any) {
	ln := x.(*lane)
	ln.at = len(*r)
	*r = append(*r, ln)
}

// Pop is part of [heap.Interface].
func (r *readyLanes) Pop() any {
	old := *r
	ln := old[len(old)-1]
	old[len(old)-1] = nil
	*r = old[:len(old)-1]
	ln.at = -1
	return ln
}
