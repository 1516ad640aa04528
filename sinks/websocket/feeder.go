package websocket

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

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
	eval       expr.Evaluator
	matches    []match // scratch
	ready      int     // number of ready topics
	hasEnded   bool    // a topic has ended, and its clients are not closed yet
	historyTop history // first and next of the hub's history, as last read
	sweep      sweep
	waiting    []drainWaiter
	budgets    budgets
}

func newFeeder(h *hub, number int) *feeder {
	return &feeder{hub: h, number: number, wakeup: make(chan struct{}, 1), topics: map[string]*topic{}, index: index{feeder: number, channels: max(len(h.opts.Channels), 1)}, turns: newTurns(), budgets: newBudgets(h.opts)}
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
		f.hub.spawn(func(context.Context) { defer f.hub.feeding.Done(); f.run() })
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
		busy = f.readAllEvents() || busy
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
	f.running, f.cursor, f.events = false, cursor{}, nil // a cursor would keep the history in memory
	return true
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

// readAllEvents reads the events that were written before it was called, so that the turns of addresses with costly filters
// delay the topics of others by one round only. It reports whether there were events.
func (f *feeder) readAllEvents() (busy bool) {
	end := f.hub.main.log.messages.Load()
	for f.readEvents() {
		busy = true
		if f.matched.Load() >= end {
			break
		}
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
			if !t.ready {
				f.setReady(t, at)
			}
			t.mayMatchTo = at.offset()
		})
	}
	f.cursor.index += len(events)
	f.matched.Store(f.cursor.offset() - 1)
	return true
}

// setReady makes a topic evaluate events from a cursor on.
func (f *feeder) setReady(t *topic, at cursor) {
	t.mu.Lock()
	t.ready, t.upTo, t.cursor = true, at.offset()-1, at
	t.mu.Unlock()
	f.ready++
	f.turns.add(f.turnAddress(t.creator), t)
}

// feed evaluates events of one block for a topic until the turn is over. It returns the reason if the topic must end.
func (f *feeder) feed(t *topic, begin time.Time) (reason *endReason) {
	defer func() {
		if p := recover(); p != nil {
			f.hub.log.write(slog.LevelError, "filter ended after panic", "panic", p, "stack", string(debug.Stack()))
			reason = t.endReasonFor(closePolicy, "failed", "this filter cannot be evaluated: use another one", "the rights of this client cannot be evaluated: report it to the operator")
		}
	}()
	started := time.Now()
	events, first := f.readFrom(&t.cursor)
	if lag, bytes := f.lag(t, &events[0]); lag > uint64(f.hub.opts.MaxLag.Events) || bytes > uint64(f.hub.opts.MaxLag.Bytes) {
		return t.endReasonFor(closeSlow, "behind", fmt.Sprintf("this filter is too slow: a lag of %d messages; simplify it, and connect again", lag), "the gateway is too slow with the rights of this client: connect again")
	}
	t.cursor.index += f.evaluate(t, t.cursor, events[:min(uint64(len(events)), t.mayMatchTo+1-first)], begin)
	if t.cursor.offset() > t.mayMatchTo { // no other event that was read may match
		t.cursor = f.cursor
	}
	t.append(first, f.matches, events, f.matched.Load())
	f.trim(t)
	return f.chargeTime(t, time.Since(started))
}

// readFrom returns the events behind a cursor that are in one block and were read by the feeder, and the offset of the
// first. It moves the cursor to their block.
func (f *feeder) readFrom(c *cursor) (events []storedEvent, first uint64) {
	if c.block == f.cursor.block {
		return f.events[c.index:], c.offset()
	}
	f.hub.mu.Lock()
	events = c.following()
	f.hub.mu.Unlock()
	first = c.offset()
	return events[:min(uint64(len(events)), f.matched.Load()+1-first)], first
}

// evaluate evaluates events behind a cursor until the turn is over, and returns how many it has evaluated. f.matches
// gets those that match.
func (f *feeder) evaluate(t *topic, from cursor, events []storedEvent, begin time.Time) int {
	clear(f.matches)
	f.matches = f.matches[:0]
	for i := range events {
		if !f.mayMatch(t, from.block, from.index+i) {
			continue
		}
		if m := f.hub.match(&f.eval, t, &events[i]); m.kind != matchNone {
			m.index = i
			f.matches = append(f.matches, m)
		}
		if time.Since(begin) > turnTime {
			return i + 1
		}
	}
	return len(events)
}

// trim removes messages of a topic beyond the history and the share of memory.
func (f *feeder) trim(t *topic) {
	t.trim(f.historyTop.first, f.maxTopicBytes(t))
	f.reportMemory(t)
}

// lag returns how many messages and bytes a topic, whose next event is given, is behind the main log. Messages from
// before the topic was created do not count.
func (f *feeder) lag(t *topic, next *storedEvent) (messages, bytes uint64) {
	log := f.hub.main.log
	messages = log.messages.Load() - max(t.cursor.offset()-1, t.createdAt)
	bytes = log.bytes.Load()
	bytes -= min(bytes, max(next.bytesBefore, t.createdAtBytes))
	return messages, bytes
}
