package router

import "sync"

// terms keeps, by the name of a leader, the highest term by which a sink has refused one.
type terms struct {
	mu      sync.Mutex
	known   map[string]int64
	changed chan struct{} // closed when known changes
}

func newTerms() *terms { return &terms{known: map[string]int64{}, changed: make(chan struct{})} }

// report notes that a sink has seen a term of a leader.
func (t *terms) report(leader string, term int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if term <= t.known[leader] {
		return
	}
	t.known[leader] = term
	close(t.changed)
	t.changed = make(chan struct{})
}

// highest returns the highest term that was reported, 0 where none was, and what is closed
// when any term is.
func (t *terms) highest(leader string) (term int64, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[leader], t.changed
}
