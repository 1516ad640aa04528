package stats

import (
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
	removed  int // the reload that has removed its beginning
}

const (
	InMemory    = "memory"  // the end of edges to the list of dead letters
	fromRemoved = "removed" // the beginning of edges whose component is gone
)

// DeadLettersOf names the beginning of the edge on which a sink or route parks.
func DeadLettersOf(kind plugin.Kind, name string) string {
	return "dead letters of " + string(kind) + " " + name
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
// from such components. It returns the number of the reload.
func (e *Edges) Keep(known map[string]bool) (reload int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reloads++
	kept := e.list[:0]
	for _, t := range e.list {
		if !known[t.to] && t.to != InMemory {
			continue
		}
		if t.removed == 0 && !known[t.from] {
			t.from, t.removed = fromRemoved, e.reloads
		}
		kept = append(kept, t)
	}
	clear(e.list[len(kept):])
	e.list, e.index = kept, nil
	return e.reloads
}

// Fold adds up the edges whose beginnings a reload or one before it has removed,
// once these have ended.
func (e *Edges) Fold(reload int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := map[string]*counted{}
	kept := e.list[:0]
	for _, t := range e.list {
		if t.removed > 0 && t.removed <= reload {
			if into := first[t.to]; into != nil {
				into.n.Add(t.n.Load())
				continue
			}
			first[t.to] = t
		}
		kept = append(kept, t)
	}
	clear(e.list[len(kept):])
	e.list, e.index = kept, nil
}

// Status lists the edges. Those from components that are on their way out count as
// one for each receiver.
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
