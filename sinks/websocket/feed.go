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
