package router

import (
	"slices"
	"sync"
	"sync/atomic"

	"eventgateway/gateway/plugin"
)

// edges counts what goes from one component to another, at the sender's end; the
// receiver counts what comes in. They outlive reloads, as the receivers' counts do.
type edges struct {
	mu      sync.Mutex
	list    []*tallied
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
	for _, t := range e.list {
		if t.from == from && t.to == to {
			return t.n
		}
	}
	t := &tallied{from: from, to: to, n: &atomic.Uint64{}}
	e.list = append(e.list, t)
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
	e.list = kept
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
	e.list = kept
}

// status lists the edges. Those from components that are on their way out count as
// one for each receiver.
func (e *edges) status() []EdgeStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []EdgeStatus{}
	for _, t := range e.list {
		i := slices.IndexFunc(out, func(o EdgeStatus) bool { return o.From == t.from && o.To == t.to })
		if i < 0 {
			i, out = len(out), append(out, EdgeStatus{From: t.from, To: t.to})
		}
		out[i].Events += t.n.Load()
	}
	return out
}
