package router

import (
	"container/heap"
	"slices"
	"time"
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
	named  bool     // others of its key wait
	again  []item   // what has failed, in order
	behind []uint64 // numbers in the ring of those that wait behind; some are gone
	hands  int      // events of it in a worker's hands
	taker  uint64   // the take that has got these
	fresh  []item   // scratch of setAside
	noted  bool     // see conflation
	at     int      // place among ready
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
	byKey bool // an event waits for those of its key before it
	named map[string]*line
	ready readyLines // those of which nothing is in a worker's hands, by due
	takes uint64     // numbers the takes
}

// of returns the line of a key, or nil.
func (l *lines) of(key string) *line {
	if !l.byKey || len(l.named) == 0 {
		return nil
	}
	return l.named[key]
}

// make makes the line of an event that has none.
func (l *lines) make(key string) *line {
	ln := &line{key: key, named: l.byKey, at: -1}
	if ln.named {
		l.named[key] = ln
	}
	return ln
}

// join puts an event that is being taken into the line of its key.
func (l *lines) join(it *item) {
	ln := l.named[it.ev.Key]
	if ln == nil {
		ln = l.make(it.ev.Key)
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
	case ln.hands > 0:
	case len(ln.again)+len(ln.behind) > 0:
		heap.Push(&l.ready, ln)
	case ln.named:
		delete(l.named, ln.key)
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
	for _, ln := range l.named {
		if len(ln.again) > 0 {
			out = append(out, ln)
		}
	}
	for _, ln := range l.ready {
		if !ln.named {
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
