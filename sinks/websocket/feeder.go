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

// turn is how long the feeder goes on with one topic while others wait for it.
const turnTime = time.Millisecond

// feeder brings events from the history to the topics of a lane, whose events must be
// evaluated to be found: those of filters and channels, or those of rights that are no
// equality. It is one goroutine, which holds no lock while it evaluates: what strangers ask for
// takes at most one core, and delays no client that asks for nothing.
//
// Topics have turns: those whose filters cost little keep up with the events, and one whose
// filter costs much falls behind alone, until it is ended.
type feeder struct {
	hub     *hub
	group   *feedGroup
	rounds  int
	eval    expr.Evaluator
	matches []match // scratch
}

// startFeeding adds a topic to those that are fed. It needs the lock.
func (h *hub) startFeeding(t *topic, history int) {
	t.burst = h.filterBurst(history)
	t.timeBudget = timeBudget{t.burst, time.Now()}
	l := h.groupOf(t)
	l.add(t)
	if !l.running {
		l.running = true
		h.feeders.Add(1)
		h.spawn(func(context.Context) { defer h.feeders.Done(); (&feeder{hub: h, group: l}).run() })
	}
	l.wake()
}

// run feeds until there is no topic to feed.
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

// feed gives a topic its turn. It returns whether there was something to do, and why the
// topic must end, where it must.
func (f *feeder) feed(t *topic) (more bool, reason *endReason) {
	defer func() {
		if p := recover(); p != nil {
			f.hub.log.write(slog.LevelError, "a filter has made the sink panic: it is ended", "panic", p, "stack", string(debug.Stack()))
			reason = t.endReasonFor(closePolicy, "failed", "this filter cannot be evaluated", "what this client may see cannot be evaluated")
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
		return false, t.endReasonFor(closeSlow, "behind", fmt.Sprintf("this filter is too slow: it is %d messages behind", lag), "the gateway is busy, and behind with what this client may see: connect again")
	}
	begin := time.Now()
	first := t.cursor.offset()
	events = f.matchEvents(t, events, begin)
	t.cursor.index += len(events)
	now := h.now()
	t.mu.Lock() // who looks finds all of this, or nothing
	for _, v := range f.matches {
		t.appendLocked(first+uint64(v.index), v, &events[v.index])
	}
	t.advanceLocked(t.cursor.offset()-1, now, h.opts.History)
	t.mu.Unlock()
	if !t.trim(h.opts.History, h.maxTopicBytes(t), now) {
		return false, &endReason{closePolicy, "memory", "this filter takes too much memory for one message"}
	}
	return true, h.chargeTime(t, time.Since(begin))
}

// matchEvents fills the verdicts on the first of the events, and returns those.
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

// topicLag returns how many messages, and bytes of them, the main log is ahead of a topic: of
// one that is still made of the history, since it was asked for.
func (h *hub) topicLag(t *topic) (messages, bytes uint64) {
	log := h.main.log
	messages = log.messages.Load() - max(t.cursor.offset()-1, t.createdAt)
	bytes = log.bytes.Load() - min(log.bytes.Load(), max(t.cursor.block.bytesBefore+uint64(t.cursor.block.bytes), t.createdAtBytes))
	return messages, bytes
}

// drainFeeders waits until the feeders have brought the topics everything that was written.
func (h *hub) drainFeeders(ctx context.Context) {
	h.mu.Lock()
	topics, offset := slices.Concat(h.rightsGroup.topics, h.filterGroup.topics), h.main.log.messages.Load()
	h.mu.Unlock()
	for _, t := range topics {
		_ = t.waitFor(ctx, offset) // one that has ended has no clients any more
	}
}

// feedGroup is topics that one feeder feeds. There are two: one for what the configuration says
// that clients may see, and one for what clients ask for, so that the first never waits for
// the second.
type feedGroup struct {
	byAddress bool          // an address has one turn in each round, and not each of its topics
	topics    []*topic      // under the hub's lock, those of one address side by side
	running   bool          // the feeder runs; under the hub's lock
	wakeup    chan struct{} // capacity 1: there may be something to feed
}

func newFeedGroup(byAddress bool) *feedGroup {
	return &feedGroup{byAddress: byAddress, wakeup: make(chan struct{}, 1)}
}

// groupOf returns the lane of a topic that is fed.
func (h *hub) groupOf(t *topic) *feedGroup {
	if t.filtered() {
		return h.filterGroup
	}
	return h.rightsGroup
}

// groups returns both.
func (h *hub) groups() [2]*feedGroup { return [2]*feedGroup{h.rightsGroup, h.filterGroup} }

// add puts a topic behind those of its address.
func (l *feedGroup) add(t *topic) {
	at := len(l.topics)
	for i := range l.topics {
		if l.byAddress && l.topics[i].creator == t.creator {
			at = i + 1
		}
	}
	l.topics = slices.Insert(l.topics, at, t)
}

func (l *feedGroup) remove(t *topic) {
	l.topics = slices.DeleteFunc(l.topics, func(o *topic) bool { return o == t })
}

// wake has the feeder look for something to feed.
func (l *feedGroup) wake() {
	select {
	case l.wakeup <- struct{}{}:
	default:
	}
}

// round gives each address of topics one turn, or each topic where the lane does not go by
// address. It reports whether there was something to do.
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

// turn feeds the first of some topics that has something to do; each round begins with
// another one. It reports whether one had.
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
