package websocket

import (
	"context"
	"sync"
	"sync/atomic"

	"eventgateway/gateway/expr"
)

// feeder brings events from the history to its topics. It evaluates filters, channels and rights. It is one goroutine,
// and holds no lock while it evaluates: all filters together take at most one core, and delay no client without a
// filter. Requests of other goroutines, such as that of a client to join a topic, are run by it as well, so most of its
// state needs no lock.
//
// There are two feeders: one for the rights of the configuration, and one for the filters of clients, so that filters
// do not delay rights.
type feeder struct {
	hub     *hub
	number  int           // of this feeder, from 0
	matched atomic.Uint64 // each event up to this offset is in the topics, or makes them ready
	count   atomic.Int64  // of topics
	// positionsNow makes the next sweep due at once.
	positionsNow atomic.Bool

	mu       sync.Mutex
	requests []func() // for run
	running  bool
	wakeup   chan struct{} // capacity 1: there are requests or events

	// Only run uses what follows.
	cursor     cursor
	events     []storedEvent // of the block of cursor, up to cursor
	topics     map[string]*topic
	list       []*topic // the same topics
	index      index
	turns      turns
	eval       evaluation
	conjuncts  conjuncts
	memos      []*memo // of the blocks that were evaluated last
	matches    []match // scratch
	ready      int     // number of ready topics
	hasEnded   bool    // a topic has ended, and closeEnded was not called since
	historyTop history // first and next of the hub's history, as last read
	sweep      sweep
	waiting    []drainWaiter
	budgets    budgets
}

func newFeeder(h *hub, number int) *feeder {
	return &feeder{hub: h, number: number, wakeup: make(chan struct{}, 1), topics: map[string]*topic{}, eval: evaluation{Evaluator: &expr.Evaluator{}}, conjuncts: conjuncts{}, index: index{feeder: number, channels: max(len(h.opts.Channels), 1)}, turns: newTurns(), budgets: newBudgets(h.opts)}
}

// do makes run call a request. It starts run if it is not running.
func (f *feeder) do(request func()) {
	f.mu.Lock()
	f.requests = append(f.requests, request)
	start := !f.running
	if start {
		f.running = true
		f.hub.feeding.Add(1)
	}
	f.mu.Unlock()
	if start {
		f.hub.spawn(func(context.Context) { defer f.hub.feeding.Done(); defer f.recoverRun(); f.run() })
	}
	f.wake()
}

// wake makes run look for requests and events.
func (f *feeder) wake() {
	select {
	case f.wakeup <- struct{}{}:
	default:
	}
}

// run feeds until there is no topic.
func (f *feeder) run() {
	f.seekEvents()
	for {
		busy := f.handleRequests()
		busy = f.readRound() || busy
		busy = f.turns.round(f) || busy
		f.closeEnded()
		busy = f.sweepTopics() || busy
		f.notifyDrained()
		if busy {
			continue
		}
		if f.ended() {
			return
		}
		<-f.wakeup
	}
}

// ended reports whether there is nothing to do. A later request starts run again.
func (f *feeder) ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) > 0 || len(f.topics) > 0 {
		return false
	}
	f.forget()
	if f.sweep.timer != nil {
		f.sweep.timer.Stop()
	}
	f.running, f.cursor, f.events = false, cursor{}, nil // a cursor would keep the history in memory
	return true
}

// recoverRun ends all topics if run panics, so that the next request starts run anew. The panic continues, and Env.Go
// counts it.
func (f *feeder) recoverRun() {
	p := recover()
	if p == nil {
		return
	}
	for len(f.list) > 0 {
		f.endTopic(f.list[0], &endReason{closeSlow, "failed", "the subscription failed: connect again"})
	}
	f.closeEnded()
	f.turns = newTurns() // clients that join wait no longer than catchUpTimeout
	f.ready, f.sweep, f.cursor, f.events, f.eval.memo = 0, sweep{}, cursor{}, nil, nil
	f.forget()
	f.mu.Lock()
	f.running = false
	f.mu.Unlock()
	panic(p)
}

func (f *feeder) handleRequests() bool {
	f.mu.Lock()
	requests := f.requests
	f.requests = nil
	f.mu.Unlock()
	for _, request := range requests {
		request()
	}
	return len(requests) > 0
}

// seekEvents moves the cursor behind the events that were read before run ended the last time.
func (f *feeder) seekEvents() {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	h := &f.hub.history
	f.cursor = h.seek(max(h.first, f.matched.Load()+1))
	f.matched.Store(f.cursor.offset() - 1)
}

// roundBlocks is how many blocks of events are read in a round at most. With many, addresses with costly filters delay the
// topics of others by few rounds. With few, a topic compares the keys of few events to find those that may match.
const roundBlocks = 8

// readRound reads the next events, as many as a round has at most. It reports whether there were events.
func (f *feeder) readRound() (busy bool) {
	for range roundBlocks {
		if !f.readEvents() {
			break
		}
		busy = true
	}
	return busy
}

// readEvents reads the next events of a block of the history, and makes the topics ready for which they may match. It
// reports whether there were events.
func (f *feeder) readEvents() bool {
	h := f.hub
	h.mu.Lock()
	events := f.cursor.following()
	b := f.cursor.block
	f.events = b.events[:len(b.events):len(b.events)]
	f.historyTop = history{first: h.history.first, next: h.history.next}
	h.mu.Unlock()
	if len(events) == 0 {
		return false
	}
	for i := range events {
		at := cursor{b, f.cursor.index + i}
		f.index.read(b, at.index, &events[i], func(t *topic) {
			if at.offset() <= t.createdAt {
				return
			}
			if last := len(t.pending) - 1; last >= 0 && t.pending[last] == at { // found by another term
				return
			}
			t.pending = append(t.pending, at)
			if !t.ready {
				f.setReady(t, at)
			}
		})
	}
	f.cursor.index += len(events)
	f.matched.Store(f.cursor.offset() - 1)
	return true
}
