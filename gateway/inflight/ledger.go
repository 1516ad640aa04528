package inflight

import (
	"cmp"
	"maps"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/settle"
)

// Ledger is the messages of a source that acknowledges each by itself, in any order, as a consumer
// group of Redis or NATS JetStream does. K is what the source acknowledges a message by. A
// Ledger outlives a Run: what is on its way need not be emitted again because a connection was
// lost meanwhile.
type Ledger[K cmp.Ordered] struct {
	// Changed gets a value when a message was settled, or an attempt has failed, unless it holds one.
	Changed chan struct{}

	mu     sync.Mutex
	open   map[K]*message[K] // emitted and not settled
	taken  Taken[K]          // since the last Take
	done   uint64
	failed error
	order  *settle.Order
}

// message is one batch that is on its way.
type message[K cmp.Ordered] struct {
	ack settle.Ack
	of  *Ledger[K]
	id  K
}

// Taken is what has become of messages since the last [Ledger.Take]. Acked and Nacked are in the order in
// which they were settled. Tried has, of messages that are on their way or were nacked, the latest
// failed attempt that is to be remembered.
type Taken[K cmp.Ordered] struct {
	Acked  []K
	Nacked []Nacked[K]
	Tried  map[K]event.Tried
}

// Nacked is a message that was nacked, and why.
type Nacked[K cmp.Ordered] struct {
	ID  K
	Err error
}

// NewLedger makes one that has nothing on its way.
func NewLedger[K cmp.Ordered]() *Ledger[K] {
	return &Ledger[K]{Changed: make(chan struct{}, 1), open: map[K]*message[K]{}, order: &settle.Order{}}
}

// Begin is called at the begin of each Run, before anything is emitted in it. It forgets that
// messages were nacked: the Run emits these again.
func (l *Ledger[K]) Begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed, l.order = nil, l.order.Next()
}

// Add notes a message that is about to be emitted, in a batch of its own, and returns the batch's Ack.
func (l *Ledger[K]) Add(id K) *settle.Ack {
	m := &message[K]{of: l, id: id}
	l.mu.Lock()
	defer l.mu.Unlock()
	m.ack.Init(m, l.order)
	l.open[id] = m
	return &m.ack
}

// Settled is part of [settle.Owner].
func (m *message[K]) Settled(err error) {
	l := m.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[m.id] == m { // else it was emitted again meanwhile
		delete(l.open, m.id)
	}
	if err == nil {
		l.done++
		l.taken.Acked = append(l.taken.Acked, m.id)
		delete(l.taken.Tried, m.id)
	} else {
		l.taken.Nacked = append(l.taken.Nacked, Nacked[K]{m.id, err})
		if l.failed == nil {
			l.failed = &settle.Nack{Err: err}
		}
	}
	changed(l.Changed)
}

// Tried is part of [settle.Owner].
func (m *message[K]) Tried(attempts int, last time.Time) {
	l := m.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken.Tried == nil {
		l.taken.Tried = map[K]event.Tried{}
	}
	l.taken.Tried[m.id] = event.Tried{Attempts: attempts, Last: last}
	changed(l.Changed)
}

// IsOpen reports whether a message is on its way.
func (l *Ledger[K]) IsOpen(id K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[id] != nil
}

// State returns how many messages are on their way, and the error with which the first one of this
// Run was nacked.
func (l *Ledger[K]) State() (open int, failed error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open), l.failed
}

// Done returns how many messages were acked. It grows while sinks take something.
func (l *Ledger[K]) Done() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done
}

// Progressed reports whether an ack or a failed attempt is to be taken.
func (l *Ledger[K]) Progressed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.taken.Acked)+len(l.taken.Tried) > 0
}

// Take returns what has become of messages since the last time.
func (l *Ledger[K]) Take() Taken[K] {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.taken
	l.taken = Taken[K]{}
	return taken
}

// Keep takes a Take back: nothing of it was stored.
func (l *Ledger[K]) Keep(taken Taken[K]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	newer := l.taken
	l.taken = Taken[K]{Acked: append(taken.Acked, newer.Acked...), Nacked: append(taken.Nacked, newer.Nacked...), Tried: taken.Tried}
	if l.taken.Tried == nil {
		l.taken.Tried = newer.Tried
		return
	}
	maps.Copy(l.taken.Tried, newer.Tried)
	for _, id := range newer.Acked {
		delete(l.taken.Tried, id)
	}
}
