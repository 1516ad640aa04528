package inflight

import (
	"cmp"
	"maps"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/settle"
)

// MessageTracker is the messages of a source that acknowledges each by itself, in any order, as a consumer
// group of Redis or NATS JetStream does. K is what the source acknowledges a message by. A
// MessageTracker outlives a Run: what is on its way need not be emitted again because a connection was
// lost meanwhile.
type MessageTracker[K cmp.Ordered] struct {
	// Changed gets a value when a message was settled, or an attempt has failed, unless it holds one.
	Changed chan struct{}

	mu     sync.Mutex
	open   map[K]*message[K] // emitted and not settled
	taken  Progress[K]       // since the last Take
	done   uint64
	failed error
	order  *settle.Redelivery
}

// message is one batch that is on its way.
type message[K cmp.Ordered] struct {
	ack settle.Ack
	of  *MessageTracker[K]
	id  K
}

// Progress is what has become of messages since the last [MessageTracker.Collect]. Acked and Nacked are in the order in
// which they were settled. Tried has, of messages that are on their way or were nacked, the latest
// failed attempt that is to be remembered.
type Progress[K cmp.Ordered] struct {
	Acked    []K
	Nacked   []Nacked[K]
	Attempts map[K]event.Attempts
}

// Nacked is a message that was nacked, and why.
type Nacked[K cmp.Ordered] struct {
	ID  K
	Err error
}

// NewMessageTracker makes one that has nothing on its way.
func NewMessageTracker[K cmp.Ordered]() *MessageTracker[K] {
	return &MessageTracker[K]{Changed: make(chan struct{}, 1), open: map[K]*message[K]{}, order: &settle.Redelivery{}}
}

// BeginRun is called at the begin of each Run, before anything is emitted in it. It forgets that
// messages were nacked: the Run emits these again.
func (l *MessageTracker[K]) BeginRun() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed, l.order = nil, l.order.Next()
}

// Add notes a message that is about to be emitted, in a batch of its own, and returns the batch's Ack.
func (l *MessageTracker[K]) Add(id K) *settle.Ack {
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
		delete(l.taken.Attempts, m.id)
	} else {
		l.taken.Nacked = append(l.taken.Nacked, Nacked[K]{m.id, err})
		if l.failed == nil {
			l.failed = &settle.Nack{Err: err}
		}
	}
	changed(l.Changed)
}

// AttemptFailed is part of [settle.Owner].
func (m *message[K]) AttemptFailed(attempts int, last time.Time) {
	l := m.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken.Attempts == nil {
		l.taken.Attempts = map[K]event.Attempts{}
	}
	l.taken.Attempts[m.id] = event.Attempts{Failed: attempts, Last: last}
	changed(l.Changed)
}

// InFlight reports whether a message is on its way.
func (l *MessageTracker[K]) InFlight(id K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[id] != nil
}

// State returns how many messages are on their way, and the error with which the first one of this
// Run was nacked.
func (l *MessageTracker[K]) State() (open int, failed error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open), l.failed
}

// AckedMessages returns how many messages were acked. It grows while sinks take something.
func (l *MessageTracker[K]) AckedMessages() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done
}

// Progressed reports whether an ack or a failed attempt is to be taken.
func (l *MessageTracker[K]) Progressed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.taken.Acked)+len(l.taken.Attempts) > 0
}

// Collect returns what has become of messages since the last time.
func (l *MessageTracker[K]) Collect() Progress[K] {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.taken
	l.taken = Progress[K]{}
	return taken
}

// Restore undoes Collect: nothing of it was stored.
func (l *MessageTracker[K]) Restore(taken Progress[K]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	newer := l.taken
	l.taken = Progress[K]{Acked: append(taken.Acked, newer.Acked...), Nacked: append(taken.Nacked, newer.Nacked...), Attempts: taken.Attempts}
	if l.taken.Attempts == nil {
		l.taken.Attempts = newer.Attempts
		return
	}
	maps.Copy(l.taken.Attempts, newer.Attempts)
	for _, id := range newer.Acked {
		delete(l.taken.Attempts, id)
	}
}
