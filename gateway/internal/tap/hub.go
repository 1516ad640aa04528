package tap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// MaxViewers is how many viewers a gateway has at the same time.
const MaxViewers = 8

// DeadLetters is the name of the point that all dead letters pass.
const DeadLetters = "dead letters"

// ErrTooMany is the error of [Hub.Watch] where there are [MaxViewers] already.
var ErrTooMany = fmt.Errorf("%d viewers look already: end one of them, or try again later", MaxViewers)

// Hub has the points of one gateway. A component that a reload replaces has the point of its predecessor.
type Hub struct {
	mu      sync.Mutex
	points  map[string]*Point
	known   map[string]bool // names of the components that run
	viewers int
	closed  string // why the hub refuses viewers; "" while the gateway runs
}

// NewHub returns a hub with the point [DeadLetters].
func NewHub() *Hub {
	h := &Hub{points: map[string]*Point{}}
	h.Point(DeadLetters)
	return h
}

// Point returns the point with a name, such as "route publish". It makes the point if there is none.
func (h *Hub) Point(name string) *Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.points[name]
	if p == nil {
		p = &Point{Name: name}
		h.points[name] = p
	}
	return p
}

// Keep notes which components run: only their points can be looked at. It forgets the others, and ends their viewers.
func (h *Hub) Keep(known map[string]bool) {
	h.mu.Lock()
	h.known = known
	var gone []*Point
	for name, p := range h.points {
		if name != DeadLetters && !known[name] {
			gone = append(gone, p)
			delete(h.points, name)
		}
	}
	h.mu.Unlock()
	for _, p := range gone {
		p.end("the configuration has no " + p.Name + " any more")
	}
}

// Close ends all viewers with a reason, and refuses later ones.
func (h *Hub) Close(reason string) {
	h.mu.Lock()
	h.closed = reason
	all := make([]*Point, 0, len(h.points))
	for _, p := range h.points {
		all = append(all, p)
	}
	h.mu.Unlock()
	for _, p := range all {
		p.end(reason)
	}
}

// UnknownError is the error for a place that does not exist.
type UnknownError struct {
	At    string
	Names []string // of the places that do
}

// Error names the places that exist.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no component %q: name one of %s", e.At, strings.Join(e.Names, ", "))
}

// Names returns the places at which a viewer can look, such as "route.publish", sorted.
func (h *Hub) Names() (names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.points {
		if h.runs(name) {
			names = append(names, place(name))
		}
	}
	slices.Sort(names)
	return names
}

// place returns the name of a point as viewers write it.
func place(name string) string {
	if name == DeadLetters {
		return "dead_letters"
	}
	return strings.Replace(name, " ", ".", 1)
}

// find returns the point at a place. The kind may be left out where only one component has the name. It needs the lock.
func (h *Hub) find(at string) *Point {
	var found []*Point
	at = strings.Replace(at, " ", ".", 1)
	for name, p := range h.points {
		if !h.runs(name) {
			continue
		}
		if full := place(name); full == at {
			return p
		} else if _, short, _ := strings.Cut(full, "."); short == at && at != "" {
			found = append(found, p)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return nil
}

// runs reports whether a name is that of a component that runs, and not of one in a plan that was refused. It needs the lock.
func (h *Hub) runs(name string) bool { return name == DeadLetters || h.known[name] }

// Watch begins to look at a place. The viewer must be closed. The error is an [UnknownError], [ErrTooMany], or says that
// the gateway stops.
func (h *Hub) Watch(at string, o Options) (*Viewer, error) {
	names := h.Names()
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.find(at)
	switch {
	case h.closed != "":
		return nil, errors.New(h.closed)
	case p == nil:
		return nil, &UnknownError{at, names}
	case h.viewers >= MaxViewers:
		return nil, ErrTooMany
	}
	h.viewers++
	v := newViewer(h, p, o)
	p.add(v)
	return v, nil
}

func (h *Hub) left() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers--
}

// Point is where one component shows its events to viewers. The methods of a nil Point do nothing.
type Point struct {
	Name    string // "source orders_db", "route publish", "sink bus", or DeadLetters
	mu      sync.Mutex
	viewers atomic.Pointer[[]*Viewer] // never empty; nil: there are none
}

// Watched reports whether the point has a viewer.
func (p *Point) Watched() bool { return p != nil && p.viewers.Load() != nil }

func (p *Point) add(v *Viewer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(append(p.list(), v))
}

func (p *Point) remove(v *Viewer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(slices.DeleteFunc(p.list(), func(o *Viewer) bool { return o == v }))
}

// end ends all viewers.
func (p *Point) end(reason string) {
	p.mu.Lock()
	all := p.list()
	p.set(nil)
	p.mu.Unlock()
	for _, v := range all {
		v.end(reason)
	}
}

// list returns a copy of the viewers.
func (p *Point) list() []*Viewer {
	if list := p.viewers.Load(); list != nil {
		return slices.Clone(*list)
	}
	return nil
}

// set sets the viewers. The caller holds the lock.
func (p *Point) set(list []*Viewer) {
	if len(list) == 0 {
		p.viewers.Store(nil)
		return
	}
	p.viewers.Store(&list)
}
