package settle

import (
	"sync"
	"sync/atomic"
)

// Redelivery holds the keys of events that a source redelivers because their batch was nacked. A later
// event of such a key must be redelivered, too, to keep the order: the router nacks its batch even if it
// was delivered. A Redelivery belongs to one Run of a source. Its methods are safe for concurrent use. A nil
// *Redelivery holds no keys.
type Redelivery struct {
	any atomic.Bool // whether keys has any

	mu    sync.Mutex
	cause error // of the first nack
	keys  map[string]bool
	all   bool // one of the events spans keys
	next  *Redelivery
}

// Next returns the Redelivery of the next Run, for a source that does not emit batches that are still in flight a
// second time. If a batch of the earlier Run is nacked later, it is redelivered behind events of
// the next Run. So its keys are added there, too.
func (o *Redelivery) Next() *Redelivery {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = &Redelivery{}
	return o.next
}

// Add adds the key of an event that is redelivered because of cause. If the event spans keys (see
// event.Event.SpansKeys), all events that are settled from now on count as later ones of its key.
func (o *Redelivery) Add(key string, spansKeys bool, cause error) {
	for o != nil {
		o = o.add(key, spansKeys, cause)
	}
}

func (o *Redelivery) add(key string, spansKeys bool, cause error) (next *Redelivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.keys == nil {
		o.keys, o.cause = map[string]bool{}, cause
	}
	o.keys[key] = true
	o.all = o.all || spansKeys
	o.any.Store(true)
	return o.next
}

// Any reports whether there is any key. It costs one atomic load.
func (o *Redelivery) Any() bool { return o != nil && o.any.Load() }

// Check returns an error if an event of the key must be redelivered because an earlier one is.
func (o *Redelivery) Check(key string, spansKeys bool) error {
	if !o.Any() {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all || spansKeys || o.keys[key] {
		return &earlierError{o.cause}
	}
	return nil
}

// earlierError is the reason why an event is redelivered although it was delivered.
type earlierError struct{ cause error }

func (e *earlierError) Error() string {
	return "an earlier event in the order of its key was nacked: " + e.cause.Error()
}

func (e *earlierError) Unwrap() error { return e.cause }
