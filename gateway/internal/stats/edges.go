package stats

import (
	"strings"
	"sync"
	"sync/atomic"

	"eventgateway/gateway/plugin"
)

// Edges counts the events that go from one component to another, at the sender's end; the
// receiver counts what comes in. They outlive reloads, as the receivers' counts do.
type Edges struct {
	mu      sync.Mutex
	list    []*counted
	index   map[[2]string]*counted // the first of list with each from and to; nil: to be made
	reloads int
}

type counted struct {
	from, to string
	n        *atomic.Uint64
	removed  int // the reload that has removed one of its ends
}

const (
	InMemory    = "memory" // the end of edges to the list of dead letters
	InStore     = "dead-letter store"
	Operator    = "operator"         // the beginning of edges with events that an operator sends again
	removed     = "removed"          // an end of edges whose component is gone
	deadLetters = "dead letters of " // begins the beginning of edges to dead letters
)

// DeadLettersOf names the beginning of the edge on which a sink or route parks.
func DeadLettersOf(kind plugin.Kind, name string) string {
	return deadLetters + string(kind) + " " + name
}

// Counter returns the counter of an edge.
func (e *Edges) Counter(from, to string) *atomic.Uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.index == nil {
		e.index = make(map[[2]string]*counted, len(e.list))
		for _, t := range e.list {
			if at := [2]string{t.from, t.to}; e.index[at] == nil {
				e.index[at] = t
			}
		}
	}
	at := [2]string{from, to}
	if t := e.index[at]; t != nil {
		return t.n
	}
	t := &counted{from: from, to: to, n: &atomic.Uint64{}}
	e.list, e.index[at] = append(e.list, t), t
	return t.n
}

// Keep forgets the edges to components that are not known any more, and the beginnings of those
// from such components. Of what a known component has parked it forgets the end only. It returns the number of
// the reload.
func (e *Edges) Keep(known map[string]bool) (reload int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reloads++
	kept := e.list[:0]
	for _, t := range e.list {
		toKnown := known[t.to] || t.to == InMemory || t.to == InStore
		switch {
		case !toKnown && !(known[t.from] && strings.HasPrefix(t.from, deadLetters)):
			continue
		case !toKnown && t.to != removed:
			t.to, t.removed = removed, e.reloads
		case toKnown && t.from != removed && t.from != Operator && !known[t.from]:
			t.from, t.removed = removed, e.reloads
		}
		kept = append(kept, t)
	}
	clear(e.list[len(kept):])
	e.list, e.index = kept, nil
	return e.reloads
}

// Fold adds up the edges one of whose ends a reload or one before it has removed,
// once these have ended.
func (e *Edges) Fold(reload int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := map[[2]string]*counted{}
	kept := e.list[:0]
	for _, t := range e.list {
		if t.removed > 0 && t.removed <= reload {
			at := [2]string{t.from, t.to}
			if into := first[at]; into != nil {
				into.n.Add(t.n.Load())
				continue
			}
			first[at] = t
		}
		kept = append(kept, t)
	}
	clear(e.list[len(kept):])
	e.list, e.index = kept, nil
}

// Status lists the edges. Those from components that are on their way out count as
// one for each receiver, and those to such components as one for each sender.
func (e *Edges) Status() []EdgeStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	out, index := []EdgeStatus{}, map[[2]string]int{}
	for _, t := range e.list {
		at := [2]string{t.from, t.to}
		i, ok := index[at]
		if !ok {
			i, out = len(out), append(out, EdgeStatus{From: t.from, To: t.to})
			index[at] = i
		}
		out[i].Events += t.n.Load()
	}
	return out
}
