package router

import (
	"sync"
	"sync/atomic"

	"eventgateway/gateway/plugin"
)

// edges counts what goes from one component to another, at the sender's end; the
// receiver counts what comes in. They outlive reloads, as the receivers' counts do.
type edges struct {
	mu      sync.Mutex
	list    []*tallied
	index   map[[2]string]*tallied // the first of list with each from and to; nil: to be made
	reloads int
}

type tallied struct {
	from, to string
	n        *atomic.Uint64
	removed  int // the reload that has removed its beginning
}

const (
	inMemory    = "memory"  // the end of edges to the list of dead letters
	fromRemoved = "removed" // the beginning of edges whose component is gone
)

// lettersOf names the beginning of the edge on which a sink or route parks.
func lettersOf(kind plugin.Kind, name string) string {
	return "dead letters of " + string(kind) + " " + name
}

// tally returns the counter of an edge.
func (e *edges) tally(from, to string) *atomic.Uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.index == nil {
		e.index = make(map[[2]string]*tallied, len(e.list))
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
	t := &tallied{from: from, to: to, n: &atomic.Uint64{}}
	e.list, e.index[at] = append(e.list, t), t
	return t.n
}

// keep forgets the edges to components that p has not, and the beginnings of those
// from such. It numbers the reload.
func (e *edges) keep(p *Plan) (reload int) {
	known := map[string]bool{inMemory: true}
	for _, s := range p.sources {
		known["source "+s.name] = true
	}
	for _, rt := range p.routes {
		known["route "+rt.spec.Name], known[lettersOf("route", rt.spec.Name)] = true, true
	}
	for _, s := range p.sinks {
		known["sink "+s.name], known[lettersOf(plugin.KindSink, s.name)] = true, true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reloads++
	kept := e.list[:0]
	for _, t := range e.list {
		if !known[t.to] {
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

// fold adds up the edges whose beginnings a reload or one before it has removed,
// once these have ended.
func (e *edges) fold(reload int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := map[string]*tallied{}
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

// status lists the edges. Those from components that are on their way out count as
// one for each receiver.
func (e *edges) status() []EdgeStatus {
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
