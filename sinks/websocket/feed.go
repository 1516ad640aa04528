package websocket

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// setReady makes a topic evaluate events from a cursor on.
func (f *feeder) setReady(t *topic, at cursor) {
	t.mu.Lock()
	t.ready, t.upTo = true, at.offset()-1
	t.mu.Unlock()
	f.ready++
	f.turns.add(f.turnAddress(t), t)
}

// feed evaluates events of one block for a topic until the turn is over. It returns the reason if the topic must end.
func (f *feeder) feed(t *topic, begin time.Time) (reason *endReason) {
	defer func() {
		if p := recover(); p != nil {
			f.hub.panics.Log(f.hub.log, slog.LevelError, "filter ended after panic", "panic", p, "stack", string(debug.Stack()))
			reason = t.endReasonFor(closePolicy, "failed", "this filter cannot be evaluated: use another one", "the rights of this client cannot be evaluated: report it to the operator")
		}
	}()
	started := time.Now()
	block := t.pending[0].block
	events := f.eventsOf(block)
	if lag, bytes := f.lag(t, &events[t.pending[0].index]); lag > uint64(f.hub.opts.MaxLag.Events) || bytes > uint64(f.hub.opts.MaxLag.Bytes) {
		return t.endReasonFor(closeSlow, "behind", fmt.Sprintf("this filter is too slow: a lag of %d messages; simplify it, and connect again", lag), "the gateway is too slow with the rights of this client: connect again")
	}
	f.evaluatePending(t, block, events, begin)
	t.append(block.first, f.matches, events, f.matched.Load())
	f.trim(t)
	return f.chargeTime(t, time.Since(started))
}

// eventsOf returns the events of a block that were read by the feeder.
func (f *feeder) eventsOf(b *block) []storedEvent {
	if b == f.cursor.block {
		return f.events
	}
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	return b.events[:len(b.events):len(b.events)]
}

// evaluatePending evaluates the pending events of a topic in a block until the turn is over, and removes them from the
// pending ones. f.matches gets those that match.
func (f *feeder) evaluatePending(t *topic, b *block, events []storedEvent, begin time.Time) {
	f.resetMatches()
	f.eval.memo = f.memo(b)
	defer func() { f.eval.memo = nil }()
	n := 0
	for n < len(t.pending) && t.pending[n].block == b {
		f.evaluateEvent(t, events, t.pending[n].index)
		if n++; time.Since(begin) > turnTime {
			break
		}
	}
	clear(t.pending[:n]) // would keep the history in memory
	if t.pending = t.pending[n:]; len(t.pending) == 0 && cap(t.pending) > blockEvents {
		t.pending = nil
	}
}

// evaluate evaluates events behind a cursor that may match, until the turn is over, and returns how many it has visited.
// f.matches gets those that match.
func (f *feeder) evaluate(t *topic, keys []columnKeys, from cursor, events []storedEvent, begin time.Time) int {
	f.resetMatches()
	for i := range events {
		if !f.mayMatch(t, keys, from.block, from.index+i) {
			continue
		}
		f.evaluateEvent(t, events, i)
		if time.Since(begin) > turnTime {
			return i + 1
		}
	}
	return len(events)
}

func (f *feeder) resetMatches() {
	clear(f.matches)
	f.matches = f.matches[:0]
}

// evaluateEvent evaluates an event, and appends it to f.matches if it matches.
func (f *feeder) evaluateEvent(t *topic, events []storedEvent, i int) {
	f.eval.index = i
	if m := f.hub.match(&f.eval, t, &events[i]); m.kind != matchNone {
		m.index = i
		f.matches = append(f.matches, m)
	}
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
	messages = log.messages.Load() - max(t.pending[0].offset()-1, t.createdAt)
	bytes = log.bytes.Load()
	bytes -= min(bytes, max(next.bytesBefore, t.createdAtBytes))
	return messages, bytes
}
