package inflight

import (
	"cmp"
	"maps"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/settle"
)

// MessageTracker tracks the messages of a source that acknowledges each by itself, in any order, such as a
// consumer group of Redis. K identifies a message. A MessageTracker serves all Runs of a source: when a
// connection is lost, messages that are in flight need not be emitted again.
type MessageTracker[K cmp.Ordered] struct {
	// Changed holds a value after a message was settled or an attempt has failed. Its capacity is 1.
	Changed chan struct{}

	mu            sync.Mutex
	inFlight      map[K]*message[K]
	progress      Progress[K] // since the last Collect
	ackedMessages uint64
	nacked        error
	redelivery    *settle.Redelivery
}

// message is one batch that is in flight.
type message[K cmp.Ordered] struct {
	ack     settle.Ack
	tracker *MessageTracker[K]
	id      K
}

// Progress is what has become of messages since the last [MessageTracker.Collect]. Acked and Nacked are in the
// order in which they were settled. Attempts has the failed attempts to be stored, of messages that are in
// flight or were nacked.
type Progress[K cmp.Ordered] struct {
	Acked    []K
	Nacked   []Nacked[K]
	Attempts map[K]event.Attempts
}

// Nacked is a message that was nacked, and the reason.
type Nacked[K cmp.Ordered] struct {
	ID  K
	Err error
}

// NewMessageTracker returns a tracker without messages.
func NewMessageTracker[K cmp.Ordered]() *MessageTracker[K] {
	return &MessageTracker[K]{Changed: make(chan struct{}, 1), inFlight: map[K]*message[K]{}, redelivery: &settle.Redelivery{}}
}

// BeginRun begins a Run. The source calls it before it emits anything. Messages that were nacked do not count any
// more, because the Run emits them again.
func (t *MessageTracker[K]) BeginRun() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nacked, t.redelivery = nil, t.redelivery.Next()
}

// Add adds a message that is about to be emitted in a batch of its own, and returns the batch's Ack.
func (t *MessageTracker[K]) Add(id K) *settle.Ack {
	m := &message[K]{tracker: t, id: id}
	t.mu.Lock()
	defer t.mu.Unlock()
	m.ack.Init(m, t.redelivery)
	t.inFlight[id] = m
	return &m.ack
}

// Settled is part of [settle.Owner].
func (m *message[K]) Settled(err error) {
	t := m.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inFlight[m.id] == m { // else the message was emitted once more meanwhile
		delete(t.inFlight, m.id)
	}
	if err == nil {
		t.ackedMessages++
		t.progress.Acked = append(t.progress.Acked, m.id)
		delete(t.progress.Attempts, m.id)
	} else {
		t.progress.Nacked = append(t.progress.Nacked, Nacked[K]{m.id, err})
		if t.nacked == nil {
			t.nacked = &settle.Nack{Err: err}
		}
	}
	signal(t.Changed)
}

// AttemptFailed is part of [settle.Owner].
func (m *message[K]) AttemptFailed(attempts int, last time.Time) {
	t := m.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.progress.Attempts == nil {
		t.progress.Attempts = map[K]event.Attempts{}
	}
	t.progress.Attempts[m.id] = event.Attempts{Failed: attempts, Last: last}
	signal(t.Changed)
}

// InFlight reports whether a message is in flight.
func (t *MessageTracker[K]) InFlight(id K) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inFlight[id] != nil
}

// State returns how many messages are in flight, and the error of the first message of this Run that was
// nacked, a [*settle.Nack]; nil if there is none.
func (t *MessageTracker[K]) State() (inFlight int, nacked error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.inFlight), t.nacked
}

// AckedMessages returns how many messages were acked in all. It grows as long as sinks make progress.
func (t *MessageTracker[K]) AckedMessages() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ackedMessages
}

// Progressed reports whether Collect would return an ack or a failed attempt.
func (t *MessageTracker[K]) Progressed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.progress.Acked)+len(t.progress.Attempts) > 0
}

// Collect returns what has become of messages since the last Collect, for the source to store.
func (t *MessageTracker[K]) Collect() Progress[K] {
	t.mu.Lock()
	defer t.mu.Unlock()
	progress := t.progress
	t.progress = Progress[K]{}
	return progress
}

// Restore undoes [MessageTracker.Collect]: nothing of collected was stored. Newer progress is kept.
func (t *MessageTracker[K]) Restore(collected Progress[K]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	newer := t.progress
	t.progress = Progress[K]{
		Acked: append(collected.Acked, newer.Acked...), Nacked: append(collected.Nacked, newer.Nacked...), Attempts: collected.Attempts,
	}
	if t.progress.Attempts == nil {
		t.progress.Attempts = newer.Attempts
		return
	}
	maps.Copy(t.progress.Attempts, newer.Attempts)
	for _, id := range newer.Acked {
		delete(t.progress.Attempts, id)
	}
}
