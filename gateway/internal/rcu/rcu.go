// Package rcu holds values that are replaced while others use them (read, copy, update).
package rcu

import "sync"

// Value holds a value that is replaced while others use it. It must be set by Replace before Use.
type Value[T any] struct {
	mu      sync.Mutex
	current *version[T]
}

// version is a value and its users; the lock of its Value guards it.
type version[T any] struct {
	value    T
	users    int
	replaced bool
	unused   chan struct{} // closed when it is replaced and has no users
}

// Use calls f with the current value, which counts as used until f returns.
func (c *Value[T]) Use(f func(T)) {
	c.mu.Lock()
	v := c.current
	v.users++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		v.users--
		v.closeIfUnused()
	}()
	f(v.value)
}

// Replace makes value the current one. It returns a channel that is closed when the previous value
// has no users any more.
func (c *Value[T]) Replace(value T) (unused <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.current
	c.current = &version[T]{value: value, unused: make(chan struct{})}
	if old == nil {
		old = &version[T]{unused: make(chan struct{})}
	}
	old.replaced = true
	old.closeIfUnused()
	return old.unused
}

func (v *version[T]) closeIfUnused() {
	if v.replaced && v.users == 0 {
		close(v.unused)
	}
}
