package websocket

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"eventgateway/gateway/expr"
)

// turnTime is how long a feeder works on one topic before it goes on to the next.
const turnTime = time.Millisecond

// feeder brings events from the history to the topics of a group. It evaluates filters, channels,
// and rights that are no equality. It is one goroutine, and holds no lock while it evaluates: all
// filters together take at most one core, and delay no client without a filter.
//
// Topics take turns, so that an expensive filter increases the lag of its own topic only, until
// the topic is ended.
type feeder struct {
	hub     *hub
	group   *feedGroup
	rounds  int
	eval    expr.Evaluator
	matches []match // scratch
}

// startFeeding adds a topic to its group, and starts the feeder if none runs. history is the
// number of events that the topic has to read first. It needs the hub's lock.
func (h *hub) startFeeding(t *topic, history int) {
	t.burst = h.filterBurst(history)
	t.timeBudget = timeBudget{t.burst, time.Now()}
	g := h.groupOf(t)
	g.add(t)
	if !g.running {
		g.running = true
		h.feeders.Add(1)
		h.spawn(func(context.Context) { defer h.feeders.Done(); (&feeder{hub: h, group: g}).run() })
	}
	g.wake()
}

// run feeds until the group has no topic.
func (f *feeder) run() {
	var topics []*topic
	for {
		f.hub.mu.Lock()
		topics = append(topics[:0], f.group.topics...)
		f.group.running = len(topics) > 0
		f.hub.mu.Unlock()
		if len(topics) == 0 {
			return
		}
		busy := f.round(topics)
		clear(topics)
		if !busy {
			<-f.group.wakeup
		}
	}
}

// feed gives a topic one turn. It reports whether there were events, and returns the reason if
// the topic must end.
func (f *feeder) feed(t *topic) (more bool, reason *endReason) {
	defer func() {
		if p := recover(); p != nil {
			f.hub.log.write(slog.LevelError, "filter ended after panic", "panic", p, "stack", string(debug.Stack()))
			reason = t.endReasonFor(closePolicy, "failed", "this filter cannot be evaluated: use another one", "the rights of this client cannot be evaluated: report it to the operator")
		}
	}()
	h := f.hub
	h.mu.Lock()
	events := t.cursor.following()
	lag, lagBytes := h.topicLag(t)
	h.mu.Unlock()
	if len(events) == 0 {
		return false, nil
	}
	if lag > uint64(h.opts.MaxLag.Events) || lagBytes > uint64(h.opts.MaxLag.Bytes) {
		return false, t.endReasonFor(closeSlow, "behind", fmt.Sprintf("this filter is too slow: a lag of %d messages; simplify it, and connect again", lag), "the gateway is too slow with the rights of this client: connect again")
	}
	begin := time.Now()
	first := t.cursor.offset()
	events = f.matchEvents(t, events, begin)
	t.cursor.index += len(events)
	now := h.now()
	t.mu.Lock() // one lock for all: a client that resumes sees the whole turn, or nothing of it
	for _, v := range f.matches {
		t.appendLocked(first+uint64(v.index), v, &events[v.index])
	}
	t.advanceLocked(t.cursor.offset()-1, now, h.opts.History)
	t.mu.Unlock()
	if !t.trim(h.opts.History, h.maxTopicBytes(t), now) {
		return false, &endReason{closePolicy, "memory", "this filter takes too much memory for one message: use a filter that matches smaller messages"}
	}
	return true, h.chargeTime(t, time.Since(begin))
}

// matchEvents evaluates events until the turn is over, and returns those that it has evaluated.
// f.matches gets the ones that the topic receives.
func (f *feeder) matchEvents(t *topic, events []storedEvent, begin time.Time) []storedEvent {
	f.matches = f.matches[:0]
	for i := range events {
		p := &events[i]
		if v := f.hub.match(&f.eval, t, p); v.kind != matchNone {
			v.index = i
			f.matches = append(f.matches, v)
		}
		if time.Since(begin) > turnTime {
			return events[:i+1]
		}
	}
	return events
}

// topicLag returns how many messages and bytes a topic is behind the main log. Messages from
// before the topic was created do not count.
func (h *hub) topicLag(t *topic) (messages, bytes uint64) {
	log := h.main.log
	messages = log.messages.Load() - max(t.cursor.offset()-1, t.createdAt)
	bytes = log.bytes.Load() - min(log.bytes.Load(), max(t.cursor.block.bytesBefore+uint64(t.cursor.block.bytes), t.createdAtBytes))
	return messages, bytes
}

// drainFeeders waits until the topics hold every message that was written before.
func (h *hub) drainFeeders(ctx context.Context) {
	h.mu.Lock()
	topics, offset := slices.Concat(h.rightsGroup.topics, h.filterGroup.topics), h.main.log.messages.Load()
	h.mu.Unlock()
	for _, t := range topics {
		_ = t.waitFor(ctx, offset) // a topic that has ended has no clients
	}
}

// feedGroup is the topics of one feeder. There are two groups: one for the rights of the
// configuration, and one for the filters of clients, so that filters do not delay rights.
type feedGroup struct {
	byAddress bool          // each address has one turn in a round; else each topic has one
	topics    []*topic      // under the hub's lock; those of one address are adjacent
	running   bool          // the feeder runs; under the hub's lock
	wakeup    chan struct{} // capacity 1; there may be events
}

func newFeedGroup(byAddress bool) *feedGroup {
	return &feedGroup{byAddress: byAddress, wakeup: make(chan struct{}, 1)}
}

// groupOf returns the group of a topic that is fed.
func (h *hub) groupOf(t *topic) *feedGroup {
	if t.filtered() {
		return h.filterGroup
	}
	return h.rightsGroup
}

// groups returns both groups.
func (h *hub) groups() [2]*feedGroup { return [2]*feedGroup{h.rightsGroup, h.filterGroup} }

// add inserts a topic behind those of its address.
func (g *feedGroup) add(t *topic) {
	at := len(g.topics)
	for i := range g.topics {
		if g.byAddress && g.topics[i].creator == t.creator {
			at = i + 1
		}
	}
	g.topics = slices.Insert(g.topics, at, t)
}

// remove removes a topic.
func (g *feedGroup) remove(t *topic) {
	g.topics = slices.DeleteFunc(g.topics, func(o *topic) bool { return o == t })
}

// wake makes the feeder look for events.
func (g *feedGroup) wake() {
	select {
	case g.wakeup <- struct{}{}:
	default:
	}
}

// round gives each address one turn, or each topic where the group is not by address. It reports
// whether there were events.
func (f *feeder) round(topics []*topic) (busy bool) {
	f.rounds++
	for len(topics) > 0 {
		n := 1
		for f.group.byAddress && n < len(topics) && topics[n].creator == topics[0].creator {
			n++
		}
		busy = f.turn(topics[:n]) || busy
		topics = topics[n:]
	}
	return busy
}

// turn feeds the first topic that has events; each round begins with another topic. It reports
// whether one had events.
func (f *feeder) turn(topics []*topic) bool {
	for i := range topics {
		t := topics[(f.rounds+i)%len(topics)]
		more, reason := f.feed(t)
		if reason != nil {
			f.hub.endTopic(t, reason)
		}
		if more || reason != nil {
			return true
		}
	}
	return false
}
