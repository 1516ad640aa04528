package redisstream

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// ledger is what is known of the entries of a group that are on their way, and what of it
// is not stored yet. It outlives a Run: an entry that waits for days, at a sink, is not to
// be emitted again because a connection was lost meanwhile.
type ledger struct {
	changed chan struct{} // gets a value when something was settled, or has failed

	mu        sync.Mutex
	open      map[string]bool        // by ID: emitted and not settled
	delivered []string               // IDs that were acked and are not stored
	tried     map[string]event.Tried // what has failed and is not stored, by ID
	done      uint64                 // entries that were acked
	failed    error                  // with which one was given back in this Run
}

func newLedger() *ledger {
	return &ledger{changed: make(chan struct{}, 1), open: map[string]bool{}, tried: map[string]event.Tried{}}
}

// begin is called for each Run.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = nil
}

func (l *ledger) isOpen(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[id]
}

func (l *ledger) opened(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[id] = true
}

func (l *ledger) state() (events int, done uint64, failed error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open), l.done, l.failed
}

func (l *ledger) unsaved() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.delivered)+len(l.tried) > 0
}

// unstored takes what is to be stored; keep takes it back where that has failed.
func (l *ledger) unstored() (ids []string, tried map[string]event.Tried) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids, tried = l.delivered, l.tried
	l.delivered, l.tried = nil, map[string]event.Tried{}
	return ids, tried
}

func (l *ledger) keep(ids []string, tried map[string]event.Tried) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delivered = append(ids, l.delivered...)
	maps.Copy(tried, l.tried) // the newer ones
	l.tried = tried
}

// settle is the Ack of an entry.
func (l *ledger) settle(id string, err error) {
	l.mu.Lock()
	delete(l.open, id)
	if err == nil {
		l.done++
		l.delivered = append(l.delivered, id)
		delete(l.tried, id)
	} else if l.failed == nil {
		l.failed = fmt.Errorf("a batch was given back: %w", err)
	}
	l.mu.Unlock()
	l.tell()
}

func (l *ledger) hasTried(id string, t event.Tried) {
	l.mu.Lock()
	l.tried[id] = t
	l.mu.Unlock()
	l.tell()
}

func (l *ledger) tell() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (g *group) flying() (events int, done uint64, failed error) { return g.ledger.state() }
func (g *group) settled() <-chan struct{}                        { return g.ledger.changed }
func (g *group) unsaved() bool                                   { return g.ledger.unsaved() }

// emit makes each entry a batch of its own: they are acked one by one, and one that is not
// delivered for days is no reason to have others again.
func (g *group) emit(ctx context.Context, out plugin.Output, entries []entry, refused error) error {
	for _, e := range entries {
		ev := e.event(g.s.name, g.s.opts.Stream)
		ev.Tried = e.tried
		g.ledger.opened(e.id)
		if err := out.Emit(ctx, event.Batch{
			Events: []*event.Event{ev}, Refused: refused,
			Ack:   func(err error) { g.ledger.settle(e.id, err) },
			Tried: func(n int, last time.Time) { g.ledger.hasTried(e.id, event.Tried{Attempts: n, Last: last}) },
		}); err != nil {
			return err
		}
	}
	return nil
}
