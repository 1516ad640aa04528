package router

import "sync"

// cell holds a value that is replaced while others use it.
type cell[T any] struct {
	mu  sync.Mutex
	now *version[T]
}

// version is a value and who uses it; the cell's lock guards it.
type version[T any] struct {
	value    T
	users    int
	replaced bool
	unused   chan struct{} // closed when it was replaced and nobody uses it
}

// use calls f with the value that counts now; it is not taken apart before f
// returns.
func (c *cell[T]) use(f func(T)) {
	c.mu.Lock()
	v := c.now
	v.users++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		v.users--
		v.check()
	}()
	f(v.value)
}

// replace makes value the one that counts, and returns a channel that is closed when
// nobody uses the one before.
func (c *cell[T]) replace(value T) (unused <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.now
	c.now = &version[T]{value: value, unused: make(chan struct{})}
	if old == nil {
		old = &version[T]{unused: make(chan struct{})}
	}
	old.replaced = true
	old.check()
	return old.unused
}

func (v *version[T]) check() {
	if v.replaced && v.users == 0 {
		close(v.unused)
	}
}
