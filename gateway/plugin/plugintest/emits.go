package plugintest

import (
	"sync"

	"eventgateway/gateway/event"
)

// emits records the events that one call of Apply or ApplyBatch emits, as the router does.
type emits struct {
	c      *check
	method string
	ends   string // the rule about nil, and about events after the method has returned

	mu       sync.Mutex
	out      []*event.Event
	hasNil   bool
	returned bool
}

// emit is what the method gets.
func (r *emits) emit(e *event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.returned:
		r.c.addFinding(r.ends, "emit is called after %s has returned: the event is lost", r.method)
	case e == nil:
		r.hasNil = true
		r.c.addFinding(r.ends, "%s emits nil as an event: do not call emit to drop the event", r.method)
	default:
		r.out = append(r.out, e)
	}
}

// end ends the call, which has returned err, and returns what the router would take. It checks the emitted events
// for changes at the end of the rule, and then calls after. unchanged is the rule about that.
func (r *emits) end(err error, unchanged string, after func()) ([]*event.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.returned = true
	copies := snapshotsOf(r.out)
	r.c.Cleanup(func() {
		for _, one := range copies {
			if text := one.diff(); text != "" {
				r.c.addFinding(unchanged, "of an event that was emitted %s: do events share a buffer?", text)
			}
		}
		after()
	})
	switch {
	case err != nil:
		return nil, err
	case r.hasNil:
		return nil, errNil
	}
	return r.out, nil
}
