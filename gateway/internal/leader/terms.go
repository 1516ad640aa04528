package leader

import "sync"

// Terms keeps, by the name of a leadership, the highest term by which a sink has refused an event.
type Terms struct {
	mu      sync.Mutex
	known   map[string]int64
	changed chan struct{} // closed when known changes
}

// NewTerms returns Terms without any.
func NewTerms() *Terms { return &Terms{known: map[string]int64{}, changed: make(chan struct{})} }

// Report records a term of a leadership that a sink has seen.
func (t *Terms) Report(leader string, term int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if term <= t.known[leader] {
		return
	}
	t.known[leader] = term
	close(t.changed)
	t.changed = make(chan struct{})
}

// Highest returns the highest term that was reported, 0 where none was, and a channel that is closed
// when that of any leadership changes.
func (t *Terms) Highest(leader string) (term int64, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[leader], t.changed
}
