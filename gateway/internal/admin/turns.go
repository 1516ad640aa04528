package admin

import (
	"context"
	"slices"
	"sync"
)

// The bounds of waiting attempts.
const (
	maxWaitingOfOne = 10  // of one address for one user
	maxWaiting      = 200 // of all
)

// attempt is the address and the user name of an attempt to log in.
type attempt struct{ address, name string }

// turns lets one attempt to log in pass at a time. Those that wait take turns: each address and user has one turn in a
// round. So many attempts of one client delay another client no more than one attempt does.
type turns struct {
	mu      sync.Mutex
	taken   bool
	order   []attempt                   // whose turn is next; each once
	waiting map[attempt][]chan struct{} // closed when the turn has come
	count   int
}

func newTurns() *turns { return &turns{waiting: map[attempt][]chan struct{}{}} }

// take waits for a turn, which the caller must release. It reports false if too many wait, or if ctx ends before.
func (t *turns) take(ctx context.Context, of attempt) bool {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return true
	}
	if len(t.waiting[of]) >= maxWaitingOfOne || t.count >= maxWaiting {
		t.mu.Unlock()
		return false
	}
	come := make(chan struct{})
	if len(t.waiting[of]) == 0 {
		t.order = append(t.order, of)
	}
	t.waiting[of] = append(t.waiting[of], come)
	t.count++
	t.mu.Unlock()
	select {
	case <-come:
		return true
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiting[of], come); i >= 0 {
		t.remove(of, i)
		return false
	}
	return true // the turn came at the same time
}

// remove removes the waiting attempt i of an address and user. The caller holds mu.
func (t *turns) remove(of attempt, i int) {
	t.count--
	if t.waiting[of] = slices.Delete(t.waiting[of], i, i+1); len(t.waiting[of]) == 0 {
		delete(t.waiting, of)
		t.order = slices.DeleteFunc(t.order, func(a attempt) bool { return a == of })
	}
}

// release ends a turn, and gives the next one.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		t.taken = false
		return
	}
	of := t.order[0]
	close(t.waiting[of][0])
	t.order = append(t.order[1:], of) // behind the others
	t.remove(of, 0)                   // also out of the order, if it has no further attempt
}
