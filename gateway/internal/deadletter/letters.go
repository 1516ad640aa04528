package deadletter

import (
	"context"
	"time"

	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/stats"
)

// Letters is where the boxes of a router keep the events that no sink gets.
type Letters struct {
	memory  letters.List
	store   *letters.Store // nil: memory
	replays *ack.Tracker   // of the letters that are replayed now
}

// NewLetters returns Letters in a store, or in memory if that is nil.
func NewLetters(store *letters.Store) *Letters {
	return &Letters{store: store, replays: ack.NewTracker(&stats.SourceRecord{}, func(string) {})}
}

// Collection returns the collection that stores the letters.
func (l *Letters) Collection() letters.Collection {
	if l.store != nil {
		return l.store
	}
	return &l.memory
}

// Name returns the name of where the letters are, as the end of edges.
func (l *Letters) Name() string {
	if l.store != nil {
		return stats.InStore
	}
	return stats.InMemory
}

// Replays returns the tracker of replayed letters.
func (l *Letters) Replays() *ack.Tracker { return l.replays }

// add adds a letter. The store settles the receipt. added is false where the event must be returned to its source.
func (l *Letters) add(ctx context.Context, letter letters.Letter, r *ack.Receipt) (added bool) {
	switch {
	case l.store == nil && r == nil:
		l.memory.Add(letter)
		return true
	case l.store == nil:
		return false
	case r == nil:
		return l.store.Add(ctx, letter, nil) == nil
	}
	return l.store.Add(ctx, letter, r.Done) == nil
}

// Flush waits until all letters that were added are settled, or the deadline.
func (l *Letters) Flush(deadline time.Time) {
	if l.store != nil {
		l.store.Flush(deadline)
	}
}
