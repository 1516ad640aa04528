package settle

import (
	"sync"
	"sync/atomic"
)

// Redelivery keeps the keys of events that come again because their batch was nacked. A later event
// of such a key must come again, too, behind them: the router nacks its batch, although it was
// delivered. An Order is that of the batches which a source emits in one Run. Its methods are
// safe for concurrent use, and a nil *Order keeps nothing.
type Redelivery struct {
	any atomic.Bool // something comes again

	mu    sync.Mutex
	cause error // why the first one does
	keys  map[string]bool
	all   bool // one of them joins keys
	next  *Redelivery
}

// Next returns the order of the next Run of a source whose batches are not emitted again while
// they are on their way. Where a batch of the Run before is nacked later, it comes again behind
// what the next Run has emitted: so its keys count there, too.
func (o *Redelivery) Next() *Redelivery {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = &Redelivery{}
	return o.next
}

// Add notes the key of an event that comes again, and why. joins says that the event keeps its
// place among those of other keys: whatever is settled from now on counts as behind it.
func (o *Redelivery) Add(key string, joins bool, why error) {
	for o != nil {
		o = o.note(key, joins, why)
	}
}

func (o *Redelivery) note(key string, joins bool, why error) (next *Redelivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.keys == nil {
		o.keys, o.cause = map[string]bool{}, why
	}
	o.keys[key] = true
	o.all = o.all || joins
	o.any.Store(true)
	return o.next
}

// Any reports whether anything comes again. It is one atomic load.
func (o *Redelivery) Any() bool { return o != nil && o.any.Load() }

// Check returns an error where an event of the key may have its place behind one that comes again.
func (o *Redelivery) Check(key string, joins bool) error {
	if !o.Any() {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all || joins || o.keys[key] {
		return &behind{o.cause}
	}
	return nil
}

// behind is why an event comes again that was delivered.
type behind struct{ cause error }

func (b *behind) Error() string {
	return "an event before it, behind which it keeps its place, was given back: " + b.cause.Error()
}

func (b *behind) Unwrap() error { return b.cause }
