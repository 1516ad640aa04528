package router

import "sync"

// cell holds a value that is replaced while others use it.
type cell[T any] struct {
	mu  sync.Mutex
	now *version[T]
}

// version is a value, locked for reading by everybody who uses it.
type version[T any] struct {
	using sync.RWMutex
	value T
}

// use calls f with the value that counts now; it is not taken apart before f
// returns.
func (c *cell[T]) use(f func(T)) {
	c.mu.Lock()
	v := c.now
	v.using.RLock() // under mu: whoever replaces v waits for this user, too
	c.mu.Unlock()
	defer v.using.RUnlock()
	f(v.value)
}

// replace makes value the one that counts, and returns a function that waits
// until nobody uses the one before.
func (c *cell[T]) replace(value T) (quiet func()) {
	c.mu.Lock()
	old := c.now
	c.now = &version[T]{value: value}
	c.mu.Unlock()
	return func() {
		if old == nil {
			return
		}
		old.using.Lock() // this is the wait
		defer old.using.Unlock()
		var none T
		old.value = none
	}
}
