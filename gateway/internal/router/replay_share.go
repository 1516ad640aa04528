package router

import (
	"context"
	"sync"
	"time"
)

// replayShares bounds the letters under way to a quarter of the queue of each sink, so that live events have room.
type replayShares struct {
	mu       sync.Mutex
	underway map[string]int // by the name of the sink
	released chan struct{}
}

func newReplayShares() *replayShares {
	return &replayShares{underway: map[string]int{}, released: make(chan struct{}, 1)}
}

// acquire takes a place in the share of each sink, or in none. release gives them back.
func (s *replayShares) acquire(to []*edge) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range to {
		if s.underway[e.Name()] >= max(e.sink.Options.Queue.Size/4, 1) {
			return nil, false
		}
	}
	names := make([]string, len(to))
	for i, e := range to {
		names[i] = e.Name()
		s.underway[names[i]]++
	}
	return func() { s.releaseAll(names) }, true
}

func (s *replayShares) releaseAll(names []string) {
	s.mu.Lock()
	for _, name := range names {
		if s.underway[name]--; s.underway[name] == 0 {
			delete(s.underway, name)
		}
	}
	s.mu.Unlock()
	select {
	case s.released <- struct{}{}:
	default:
	}
}

// replayPause is when a replay looks again for room that something else than a letter had.
const replayPause = 20 * time.Millisecond

// wait waits until it may be worth to try again. It returns the error of ctx where that ends.
func (s *replayShares) wait(ctx context.Context) error {
	pause := time.NewTimer(replayPause)
	defer pause.Stop()
	select {
	case <-s.released:
	case <-pause.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}
